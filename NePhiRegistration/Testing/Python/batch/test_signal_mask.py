import multiprocessing
import signal
import threading

from NePhiBatch.signal_mask import signals_blocked


def blocked(queue):
    queue.put(signal.pthread_sigmask(signal.SIG_BLOCK, set()))


def test_what_is_started_in_the_block_never_takes_the_signals():
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    with signals_blocked("SIGINT", "SIGTERM"):
        # Started from a thread, as Dask starts its workers.
        process = context.Process(target=blocked, args=(queue,))
        thread = threading.Thread(target=process.start)
        thread.start()
        thread.join()
    assert {signal.SIGINT, signal.SIGTERM} <= queue.get()
    process.join()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())
