"""Fourier transforms."""

import numpy as _numpy

from cupy._functions import contents as _contents

globals().update(_contents("cupy.fft", _numpy.fft))
