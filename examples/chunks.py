# SPDX-License-Identifier: MIT
"""A disk in files of 64 MiB each, in a folder. Its payloads are moved by the kernel: between the
initiator's memory and one of the files, and this process never sees them. What reaches from one
file into the next is read and written here.

	mkdir chunks
	zcmu serve python:chunks.py,chunks --size 1G
"""
import errno
import fcntl
import os

import zcmu

CHUNK = 64 << 20


class Store:
    block_size = 4096
    persistent = True       # what was answered is in the page cache
    transfers = True        # read and write get an io

    def __init__(self, argument, create_size, read_only):
        if not os.path.isdir(argument):
            raise zcmu.Error("in which folder? "
                             "Say python:chunks.py,FOLDER")
        self.folder = os.open(argument, os.O_RDONLY)
        try:
            fcntl.flock(self.folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise zcmu.Error(f"{argument} is in use") from None
        count = len(os.listdir(self.folder))
        if create_size % CHUNK or (count and create_size not in
                                   (0, count * CHUNK)):
            raise zcmu.Error(f"{argument} has {count} files of {CHUNK} bytes, "
                             "and the disk has such a size, or none yet")
        self.size = create_size or count * CHUNK
        if not self.size:
            raise zcmu.Error(f"{argument} is empty; give a --size")
        how = os.O_RDONLY if read_only else os.O_RDWR | os.O_CREAT
        self.files = [os.open(f"{i:06}", how, 0o600, dir_fd=self.folder)
                      for i in range(self.size // CHUNK)]
        for file in self.files:
            if not read_only and not os.fstat(file).st_size:
                os.truncate(file, CHUNK)
        if not read_only:
            os.fsync(self.folder)
        self.lost = False

    def close(self):
        for file in self.files + [self.folder]:
            os.close(file)

    def move(self, offset, buffer, io, by_hand):
        length = len(buffer)
        while buffer:
            number, at = divmod(offset, CHUNK)
            here = buffer[:CHUNK - at]
            if len(here) == length:
                io.transfer(self.files[number], at)
            elif by_hand(self.files[number], [here], at) != len(here):
                raise OSError(errno.EIO, "a file has ended, or is full")
            offset, buffer = offset + len(here), buffer[len(here):]

    def read(self, offset, buffer, io):
        self.move(offset, buffer, io, os.preadv)

    def write(self, offset, buffer, io):
        self.move(offset, buffer, io, os.pwritev)

    def flush(self):
        if self.lost:
            raise OSError(errno.EIO, "a flush has failed before")
        self.lost = True            # unless all of it goes well
        for file in self.files:
            os.fdatasync(file)
        self.lost = False
