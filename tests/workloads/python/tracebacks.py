"""Exceptions kept with their tracebacks, chained and with notes: frames stay alive with their locals."""


class Refused(ValueError):
    def __init__(self, reason, code):
        super().__init__(reason)
        self.code = code


def fail(depth, payload):
    local = [payload, depth]
    if depth == 0:
        raise Refused("bottom", payload + 1000)
    return fail(depth - 1, local)


def catch(i):
    try:
        fail(3, i)
    except TypeError as error:
        return error


def chained(i):
    try:
        try:
            raise KeyError(i)
        except KeyError as error:
            raise Refused("again", i) from error
    except Refused as error:
        error.note = ["noted"]
        return error


def refused(i):
    try:
        raise Refused("plain", None)
    except Refused as error:
        return error


def work():
    type_errors = [catch(i) for i in range(60)]
    chains = [chained(i) for i in range(80)]
    plain = [refused(i) for i in range(150)]
    return type_errors, chains, plain
