#!/usr/bin/env python3
"""A small order service that leaks on three lines, for `make demo`.

It invents orders, prices them, renders receipts and forgets them again: healthy churn. Three tables only ever grow; the
lines that do it end in "leak:". Runs until it is stopped, or for the seconds given as its argument.
"""

import collections
import json
import random
import signal
import sys
import time

ORDERS_PER_SECOND = 250
PRICES = {"tea": 390, "bread": 275, "cheese": 820, "apples": 310, "soap": 199}


class ReceiptCache:
    """Receipts by order number. Meant to be a cache, but nothing ever leaves it."""

    def __init__(self):
        self._receipts = {}

    def put(self, number, text):
        self._receipts[number] = text.encode("utf-16")  # leak: the cache never evicts


class EventLog:
    """What happened, for a report that nobody ever asks for."""

    def __init__(self):
        self._events = []

    def add(self, number, status, total):
        self._events.append(f"order {number:08d} {status}: {total / 100:.2f} in total, booked to the main account")  # leak: the log only grows


class Session:
    """One customer's visit, with the page last shown."""

    __slots__ = ("customer", "page")

    def __init__(self, customer, page):
        self.customer = customer
        self.page = page


class Sessions:
    """Open sessions. A customer who leaves without saying goodbye stays here for ever."""

    def __init__(self):
        self._open = {}

    def begin(self, number, customer):
        self._open[number] = Session(customer, bytearray(700))  # leak: abandoned sessions stay

    def end(self, number):
        del self._open[number]


class Service:
    """Takes one order after the other."""

    def __init__(self):
        self.cache = ReceiptCache()
        self.log = EventLog()
        self.sessions = Sessions()
        self.recent = collections.deque(maxlen=100)
        self.random = random.Random(42)

    def incoming(self, number):
        items = [{"item": name, "count": self.random.randint(1, 5)} for name in self.random.sample(sorted(PRICES), 3)]
        return json.dumps({"number": number, "customer": f"customer-{self.random.randrange(500)}", "items": items})

    def handle(self, request):
        order = json.loads(request)
        number = order["number"]
        self.sessions.begin(number, order["customer"])
        lines = [f"{item['count']:3} x {item['item']:<10} {item['count'] * PRICES[item['item']] / 100:8.2f}" for item in order["items"]]
        total = sum(item["count"] * PRICES[item["item"]] for item in order["items"])
        receipt = "\n".join([f"Receipt {number}".center(30), "-" * 30, *lines, "-" * 30, "Thank you! " * 40])
        self.cache.put(number, receipt)
        self.log.add(number, "paid", total)
        self.recent.append(receipt)
        if number % 4:
            self.sessions.end(number)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    end = time.monotonic() + float(sys.argv[1]) if len(sys.argv) > 1 else float("inf")
    service = Service()
    number = 0
    next_tick = time.monotonic()
    while next_tick < end:
        for _ in range(ORDERS_PER_SECOND // 50):
            number += 1
            service.handle(service.incoming(number))
        next_tick += 1 / 50
        time.sleep(max(0.0, next_tick - time.monotonic()))


if __name__ == "__main__":
    main()
