"""Instances with a dictionary: attributes inline, a dictionary made on demand, one grown beyond the shared keys."""


class Plain:
    def __init__(self, name, value):
        self.name = name
        self.value = value


class Child(Plain):
    def __init__(self, name, value, extra):
        super().__init__(name, value)
        self.extra = extra


# Made once: a name lives on in the interpreter's cache of attributes for as long as nothing else takes its place there.
NAMES = ["attribute_%d" % i for i in range(10)]


def work():
    plain = [Plain("a", i + 1000) for i in range(400)]
    children = [Child("b", None, (i,)) for i in range(300)]
    with_dictionary = [Plain("c", None) for _ in range(200)]
    for instance in with_dictionary:
        vars(instance)
    for i, instance in enumerate(plain[:100]):
        setattr(instance, NAMES[i % 10], None)
    del children[::3]
    return plain, children, with_dictionary
