"""Recursion and calls across several functions: the line is the innermost one that is Python."""


class Node:
    __slots__ = ("left", "right", "payload")

    def __init__(self, left, right, payload):
        self.left = left
        self.right = right
        self.payload = payload


def tree(depth):
    if depth == 0:
        return None
    left = tree(depth - 1)
    right = tree(depth - 1)
    return Node(left, right, [depth])


def chain(depth):
    return (depth, chain(depth - 1)) if depth else None


def fibonacci(n, memory):
    if n < 2:
        return n
    if n not in memory:
        memory[n] = fibonacci(n - 1, memory) + fibonacci(n - 2, memory)
    return memory[n]


def work():
    memory = {}
    root = tree(9)
    chained = [chain(20) for _ in range(30)]
    fibonacci(300, memory)
    ordered = sorted(range(200), key=lambda value: (value % 7, value))
    mapped = list(map(lambda value: [value], ordered))
    return root, chained, memory, ordered, mapped
