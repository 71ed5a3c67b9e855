"""Containers of the library: deque, namedtuple, array, Counter, OrderedDict, heap."""
import array
import collections
import heapq

Row = collections.namedtuple("Row", "key value rest")


def work():
    queue = collections.deque()
    for i in range(2000):
        queue.append(None)
    for i in range(500):
        queue.popleft()
    bounded = collections.deque(range(1000), maxlen=100)
    rows = [Row(i, None, "rest") for i in range(400)]
    changed = [row._replace(key=None) for row in rows[:100]]
    numbers = array.array("d", bytes(8000))
    growing = array.array("i")
    for i in range(2500):
        growing.append(i)
    ordered = collections.OrderedDict()
    for i in range(300):
        ordered[i] = None
    counted = collections.Counter("abracadabra" * 20)
    heap = []
    for i in range(600):
        heapq.heappush(heap, (i * 7919) % 600)
    grouped = collections.defaultdict(list)
    for i in range(500):
        grouped[i % 50].append(i)
    return queue, bounded, rows, changed, numbers, growing, ordered, counted, heap, grouped
