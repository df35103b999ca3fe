"""Requests that may be out at once, over all accounts; can be changed while they are."""

import anyio


class SlotPool:
    """A semaphore that can be made larger and smaller; who waits longest is next.

    Args:
        number: Slots, from 1.
    """

    def __init__(self, number: int) -> None:
        self._semaphore = anyio.Semaphore(number, fast_acquire=True)
        self._number = number
        self._too_many = 0
        """Slots to take away as soon as they are given back."""

    @property
    def number(self) -> int:
        """How many there are, or will be when enough are given back."""
        return self._number

    async def acquire(self) -> None:
        """Wait for a slot."""
        await self._semaphore.acquire()

    def release(self) -> None:
        """Give a slot back."""
        if self._too_many:
            self._too_many -= 1
        else:
            self._semaphore.release()

    def resize(self, number: int) -> None:
        """Have another number of slots; those that are taken are waited for.

        Args:
            number: From 1.
        """
        more, self._number = number - self._number, number
        for _ in range(more):
            self.release()
        for _ in range(-more):
            try:
                self._semaphore.acquire_nowait()
            except anyio.WouldBlock:
                self._too_many += 1
