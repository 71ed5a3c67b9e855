"""Data classes, plain, frozen and with slots, and enumerations."""
import dataclasses
import enum


class Color(enum.Enum):
    RED = 1
    GREEN = 2


@dataclasses.dataclass
class Order:
    number: int
    color: Color
    items: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Key:
    left: int
    right: str


@dataclasses.dataclass
class Compact:
    __slots__ = ("x", "y")
    x: float
    y: float


def work():
    orders = [Order(i, Color.RED) for i in range(250)]
    for order in orders:
        order.items.append(order.number)
    keys = {Key(i, "right"): None for i in range(150)}
    compact = [Compact(i, i) for i in range(300)]
    changed = [dataclasses.replace(order, color=Color(2)) for order in orders[:50]]
    plain = [dataclasses.astuple(item) for item in compact[:60]]
    return orders, keys, compact, changed, plain
