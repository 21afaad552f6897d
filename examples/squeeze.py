# SPDX-License-Identifier: MIT
"""A store of your own, in Python, in one screen: a disk whose blocks are compressed, and kept
in a file of SQLite's. Blocks of zeroes take no space. zcmu-store(3) walks through it.

	zcmu serve 'python:squeeze.py,disk.db' --size 1G
"""
import errno
import sqlite3
import zlib

import zcmu

BLOCK = 4096
ZEROES = bytes(BLOCK)
MOST = 1024             # blocks that the database keeps unflushed


class Store:
    block_size = BLOCK
    persistent = True       # what was answered is in the file

    def __init__(self, argument, create_size, read_only):
        if not argument:
            raise zcmu.Error("in which file? "
                             "Say python:squeeze.py,disk.db")
        self.db = sqlite3.connect(argument, isolation_level=None,
                                  check_same_thread=False)
        self.db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self.db.execute("PRAGMA journal_mode=WAL")
        # flush() is what makes it stable, and nothing else.
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.execute("PRAGMA wal_autocheckpoint=0")
        self.lost, self.unflushed = False, 0
        self.db.execute("CREATE TABLE IF NOT EXISTS block "
                        "(number INTEGER PRIMARY KEY, bytes)")
        self.db.execute("CREATE TABLE IF NOT EXISTS disk (size)")
        row = self.db.execute("SELECT size FROM disk").fetchone()
        if row and create_size not in (0, row[0]):
            raise zcmu.Error(f"{argument} is a disk of {row[0]} bytes; "
                             "leave --size out")
        if not row and not create_size:
            raise zcmu.Error(f"{argument} is no disk yet; "
                             "give a --size to make one")
        if not row:
            self.db.execute("INSERT INTO disk VALUES (?)", (create_size,))
        self.size = row[0] if row else create_size

    def close(self):
        self.db.close()

    def read(self, offset, buffer):
        first, count = offset // BLOCK, len(buffer) // BLOCK
        blocks = dict(self.db.execute(
            "SELECT * FROM block WHERE number >= ? AND number < ?",
            (first, first + count)))
        for i in range(count):
            squeezed = blocks.get(first + i)
            block = zlib.decompress(squeezed) if squeezed else ZEROES
            buffer[i * BLOCK:(i + 1) * BLOCK] = block

    def write(self, offset, buffer):
        first, count = offset // BLOCK, len(buffer) // BLOCK
        with self.db:   # all of it or nothing, or else an exception
            self.db.execute("BEGIN")
            for i in range(count):
                block = buffer[i * BLOCK:(i + 1) * BLOCK]
                if block == ZEROES:
                    self.db.execute("DELETE FROM block WHERE number = ?",
                                    (first + i,))
                else:
                    self.db.execute("REPLACE INTO block VALUES (?, ?)",
                                    (first + i, zlib.compress(block, 1)))
        self.unflushed += count
        if self.unflushed > MOST:
            self.flush()

    def flush(self):
        if not self.lost:
            self.lost = True        # unless all of it goes well
            row = self.db.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
            self.lost, self.unflushed = bool(row[0]), 0
        if self.lost:
            raise OSError(errno.EIO, "a flush has failed, now or before")

    def trim(self, offset, length):
        self.db.execute("DELETE FROM block "
                        "WHERE number >= ? AND number < ?",
                        (offset // BLOCK, (offset + length) // BLOCK))

    zero = trim
