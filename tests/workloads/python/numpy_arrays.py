"""numpy arrays: the data comes from the C library, not from Python's allocators. Above 1 KiB, where numpy keeps no free list."""
import numpy


def work():
    zeros = [numpy.zeros(1000 + i) for i in range(40)]
    filled = [numpy.full((40, 50), i) for i in range(20)]
    ranged = numpy.arange(100_000)
    joined = numpy.concatenate(zeros)
    views = [ranged[i:] for i in range(100)]
    product = ranged * 2
    texts = numpy.array(["item %d" % i for i in range(500)])
    resized = numpy.empty(300)
    resized.resize(5000, refcheck=False)
    return zeros, filled, ranged, joined, views, product, texts, resized
