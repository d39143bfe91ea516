"""The Shared-Centre Gateway: connects what adapters hear with what worklists decide."""

__version__ = "0.1.0"
