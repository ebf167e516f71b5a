"""How a station tells what happens, in each version of OCPP. One file a dialect of the protocol; pure."""

from __future__ import annotations

from simulator.speech.base import Message, Speech
from simulator.speech.v2 import Speech2
from simulator.speech.v16 import Speech16

__all__ = ["PROTOCOLS", "Message", "Speech", "speech_of"]

PROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")


def speech_of(protocol: str) -> Speech:
    """The words of a protocol version. Raises KeyError for one that stations do not speak."""
    if protocol not in PROTOCOLS:
        raise KeyError(protocol)
    return Speech16() if protocol == "ocpp1.6" else Speech2(protocol)
