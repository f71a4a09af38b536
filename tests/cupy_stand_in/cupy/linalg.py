"""Linear algebra. Where a matrix has no factor, NumPy's error is raised; CuPy gives no number."""

import numpy as _numpy

from cupy._functions import contents as _contents

globals().update(_contents("cupy.linalg", _numpy.linalg))
