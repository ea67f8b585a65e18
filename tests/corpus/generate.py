# SPDX-License-Identifier: MIT
"""The corpus: an endless, reproducible stream of good, bad and hostile frames.

    for frame in frames(200_000, seed=1):
        ...

A seed gives the same frames on every run (with the same scapy, which builds the templates). The
fragments of a datagram stand less than a hundred frames apart: feed them in order and within two
seconds. Fragmented datagrams share no addresses unless they are meant to, so that frames further
apart have nothing to do with each other.
"""

import itertools
import random
from collections.abc import Iterator

from tests.corpus import wire
from tests.corpus.assemble import Assembler
from tests.corpus.crafted import Crafted
from tests.corpus.fragments import FragmentSource
from tests.corpus.mutate import corrupted, readdressed, shortened
from tests.corpus.templates import templates

# Relative frequency of each source. A turn of the fragments gives some eight frames, of others one.
_WEIGHTS = {
    "template": 15,
    "assembled": 24,
    "fragments": 3.5,
    "cut": 17,
    "corrupted": 20,
    "nested": 6,
    "random": 4,
}


def frames(count: int, seed: int) -> Iterator[bytes]:
    """Yield `count` frames of 14 bytes up to 1514, and a few up to 3000.

    From about 70,000 frames on, every template is there cut at every byte from 14 on.
    """
    return itertools.islice(_Corpus(seed).stream(), count)


class _Corpus:
    """One stream of frames, by the choices of one random generator."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._assembler = Assembler(self._rng)
        self._fragments = FragmentSource(self._rng, self._assembler)
        self._templates = list(templates().values())
        self._cuts = self._endless_cuts()

    def stream(self) -> Iterator[bytes]:
        kinds, weights = list(_WEIGHTS), list(_WEIGHTS.values())
        makers = {
            "template": self._template,
            "assembled": self._assembler.frame,
            "cut": lambda: next(self._cuts),
            "corrupted": self._corrupted,
            "nested": lambda: self._assembler.frame(tunnels=self._rng.randint(1, 4)),
            "random": self._random,
        }
        while True:
            for kind in self._rng.choices(kinds, weights, k=1000):
                if kind == "fragments":
                    yield from self._fragment_frames()
                else:
                    yield makers[kind]().data

    def _template(self) -> Crafted:
        template = self._rng.choice(self._templates)
        return readdressed(template, self._assembler.addresses, self._rng)

    def _corrupted(self) -> Crafted:
        choice = self._rng.random()
        if choice < 0.5:
            return corrupted(self._template(), self._rng)
        return corrupted(self._assembler.frame(tunnels=int(choice > 0.95)), self._rng)

    def _fragment_frames(self) -> Iterator[bytes]:
        """Yield the frames of fragmented datagrams; in one of eight turns, some are corrupted."""
        spoilt = self._rng.random() < 0.125
        for frame in self._fragments.sequences():
            yield (
                corrupted(frame, self._rng) if spoilt and self._rng.random() < 0.3 else frame
            ).data

    def _endless_cuts(self) -> Iterator[Crafted]:
        """Yield every template cut at every byte, in an order of its own each time round."""
        cuts = [
            (template, length)
            for template in self._templates
            for length in range(wire.MIN_FRAME_BYTES, len(template.data))
        ]
        while True:
            self._rng.shuffle(cuts)
            for template, length in cuts:
                whole = readdressed(template, self._assembler.addresses, self._rng)
                yield shortened(whole, length)

    def _random(self) -> Crafted:
        """Return nothing but chance, half of the time after an ethertype that is looked into."""
        rng = self._rng
        data = rng.randbytes(rng.choice((14, 15, 18, 34, 54, 60, 128)) + rng.randrange(12))
        if rng.random() < 0.5:
            known = (0x0800, 0x86DD, 0x8100, 0x88A8, 0x8864, 0x8847, 0x8848)
            data = data[:12] + rng.choice(known).to_bytes(2, "big") + data[14:]
        return Crafted(data, None, None)
