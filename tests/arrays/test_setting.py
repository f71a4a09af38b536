"""Settings that several threads hold at once."""

import threading

import pytest

from kmeans_xp.arrays.setting import Setting


class Limit:
    """A number that the user may set, and the setting that holds it at 1."""

    def __init__(self, *, per_thread: bool = False) -> None:
        self.home = threading.local() if per_thread else self
        self.home.number = 4
        self.setting = Setting(self.read, self.write, 1, per_thread=per_thread)

    def read(self) -> int:
        return getattr(self.home, "number", 4)

    def write(self, number: int) -> None:
        self.home.number = number


def in_a_thread(*calls):
    thread = threading.Thread(target=lambda: [call() for call in calls])
    thread.start()
    thread.join()


def test_the_last_holder_puts_it_back() -> None:
    limit = Limit()
    limit.setting.hold("here")
    in_a_thread(lambda: limit.setting.hold("there"))
    assert limit.read() == 1
    limit.setting.release("here")
    assert limit.read() == 1
    assert limit.setting.value() == 4
    in_a_thread(lambda: limit.setting.release("there"))
    assert limit.read() == limit.setting.value() == 4
    limit.write(3)
    limit.setting.hold("here")
    limit.setting.release("here")
    assert limit.read() == 3


def test_of_a_setting_for_each_thread_each_has_its_own() -> None:
    limit, found = Limit(per_thread=True), []
    limit.setting.hold("here")
    in_a_thread(
        lambda: found.append(limit.read()),
        lambda: limit.write(2),
        lambda: limit.setting.hold("there"),
        lambda: found.append(limit.read()),
        lambda: limit.setting.release("there"),
        lambda: found.append(limit.read()),
    )
    assert found == [4, 1, 2]
    assert limit.read() == 1
    limit.setting.release("here")
    assert limit.read() == 4


@pytest.mark.parametrize("stage", ["read", "write"])
def test_an_interrupt_while_it_is_being_held_leaves_it_as_it_was(stage) -> None:
    limit = Limit()
    real = getattr(limit.setting, f"_{stage}")

    def interrupted(*values: int) -> int:
        setattr(limit.setting, f"_{stage}", real)
        real(*values)
        raise KeyboardInterrupt

    setattr(limit.setting, f"_{stage}", interrupted)
    with pytest.raises(KeyboardInterrupt):
        limit.setting.hold("here")
    limit.setting.release("here")
    assert limit.read() == limit.setting.value() == 4


def test_a_child_forgets_the_threads_that_it_does_not_have() -> None:
    limit = Limit()
    limit.setting.hold("here")
    in_a_thread(lambda: limit.setting.hold("there"))
    limit.setting.forget_other_threads()  # As after a fork.
    assert limit.read() == 1
    limit.setting.release("here")
    assert limit.read() == 4
