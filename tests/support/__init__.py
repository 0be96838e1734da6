"""What the tests use: a real server process, clients that hide nothing, and a checker.

Read in this order: wait, wire, reply, server, api, raw, sse, rawjson, poll, ws, watcher, fold,
history, viewers, load, problem, fixtures.
Only Python's standard library, no timing assumptions: every wait has a deadline and names what
it waits for.
"""
import signal

# A shell starts what it runs in the background with SIGINT ignored, and what a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
