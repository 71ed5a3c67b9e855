"""Instances with __slots__, one of them with a weak reference."""
import weakref


class Point:
    __slots__ = ("x", "y", "z")

    def __init__(self, x, y, z):
        self.x = x
        self.y = y
        self.z = z


class Referenced:
    __slots__ = ("value", "__weakref__")

    def __init__(self, value):
        self.value = value


def work():
    points = [Point(i + 1000, None, "z") for i in range(700)]
    referenced = [Referenced(None) for _ in range(250)]
    references = []
    for item in referenced:
        references.append(weakref.ref(item))
    del points[100:300]
    return points, referenced, references
