"""Why a message is not accepted, in the conditions of HL7 table 0357."""

from enum import IntEnum

from adapters.errors import Malformed


class Condition(IntEnum):
    """HL7 v2.5.1 §2.16.5, table 0357."""

    SEGMENT_SEQUENCE = 100
    REQUIRED_FIELD = 101
    DATA_TYPE = 102
    TABLE_VALUE = 103
    MESSAGE_TYPE = 200
    EVENT_CODE = 201
    PROCESSING_ID = 202
    VERSION_ID = 203
    UNKNOWN_KEY = 204
    DUPLICATE_KEY = 205
    RECORD_LOCKED = 206
    INTERNAL = 207


class NotAccepted(Malformed):
    """The message cannot be taken as it is; `location` is segment, its sequence, field (MSH^1^10)."""

    def __init__(self, condition: Condition, explanation: str, location: str = "") -> None:
        super().__init__(explanation)
        self.condition, self.explanation, self.location = condition, explanation, location
