"""Two threads that allocate all the time and check what comes out; the main thread answers: "tables", "progress" (rounds made), "wrong" (rounds
with another result than the first), "end"."""
import hashlib
import json
import sys
import threading

import stress_common

KEPT = 300
rounds = [0, 0]
wrong = [0, 0]
ending = False


class Node:
    def __init__(self, value, following):
        self.value = value
        self.following = following


def one_round(seed):
    nodes = None
    for i in range(KEPT):
        nodes = Node([seed + i, str(i), float(i)], nodes)
    text = json.dumps({str(i): [i, {"x": i * 1000003}] for i in range(KEPT)})
    large = b"".join(bytes([i & 255]) * 600 for i in range(KEPT))
    total = 0
    while nodes:
        total += len(nodes.value[1])
        nodes = nodes.following
    return hashlib.sha256(text.encode() + large + str((total, sorted(json.loads(text))[7])).encode()).hexdigest()


def work(number):
    expected = one_round(number)
    while not ending:
        wrong[number] += one_round(number) != expected
        rounds[number] += 1


threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
for thread in threads:
    thread.start()
stress_common.tables()  # ctypes is warm before anyone looks
stress_common.say("ready")
stress_common.serve({"progress": lambda: min(rounds), "wrong": lambda: sum(wrong)})
ending = True
for thread in threads:
    thread.join()
sys.exit(0 if sum(wrong) == 0 else 1)
