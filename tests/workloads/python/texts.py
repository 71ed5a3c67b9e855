"""Strings of all widths: formatted, joined, split, replaced, concatenated in place."""


def work():
    formatted = [f"item {i:06d}" for i in range(500)]
    old_style = ["%s-%d" % ("name", i) for i in range(300)]
    joined = ", ".join(formatted)
    parts = joined.split(", ")
    latin = ["caf\u00e9 %d" % i for i in range(100)]
    greek = ["\u03b1\u03b2\u03b3" * (i + 1) for i in range(100)]
    beyond = ["\U0001f40d" * (i + 1) for i in range(50)]
    upper = [text.upper() for text in formatted]
    replaced = joined.replace("item", "thing")
    grown = ""
    for i in range(300):
        grown += "xyz"
    return formatted, old_style, joined, parts, latin, greek, beyond, upper, replaced, grown
