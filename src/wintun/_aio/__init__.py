# SPDX-License-Identifier: MIT
"""Waiting for packets in event loops, with no thread for the wait.

The modules, each of which needs only those below it:

- `_calls`: the asynchronous calls of `TunDevice`;
- `_loops`: the loop that is running, and its watch on a session;
- `_asyncio`, `_trio`: the kinds of loops;
- `_windows`: how the system's thread pool waits for events, for every kind of loop on Windows;
- `_watch`: what wakes the tasks of one loop.

`import wintun` loads `_calls` alone; the others, and asyncio, come with the first wait.
"""
