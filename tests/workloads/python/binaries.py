"""bytes, bytearray and memoryview, small and large, growing and sliced."""


def work():
    zeroed = [bytes(i + 40) for i in range(600)]
    large = bytes(100_000)
    doubled = large + large
    pieces = [large[i : i + 64] for i in range(0, 6400, 64)]
    growing = bytearray()
    for i in range(3000):
        growing.append(i & 255)
    filled = [bytearray(300) for _ in range(100)]
    views = []
    for buffer in filled:
        views.append(memoryview(buffer))
    text = b"-".join(pieces)
    encoded = [("%05d" % i).encode() for i in range(200)]
    return zeroed, large, doubled, pieces, growing, filled, views, text, encoded
