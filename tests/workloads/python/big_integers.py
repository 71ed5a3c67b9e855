"""Integers beyond the small ones: of one digit, of many, products, powers and shifts."""


def work():
    ordinary = []
    for i in range(1000, 1800):
        ordinary.append(i * 3)
    large = [1 << (i * 10) for i in range(20, 220)]
    powers = [7**i for i in range(100, 250)]
    factorial = 1
    products = []
    for i in range(1, 120):
        factorial *= i
        products.append(factorial)
    negative = [-value for value in large]
    parsed = [int("9" * i) for i in range(30, 90)]
    return ordinary, large, powers, products, negative, parsed
