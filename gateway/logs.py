"""Logs: one event a line, in the past tense, with fields; for people on a terminal, as JSON elsewhere."""

import logging
import sys

import structlog


def set_up_logging(level: int = logging.INFO) -> None:
    """Send structlog's and the libraries' messages to standard error, in one form."""
    human = sys.stderr.isatty()
    # Plain tracebacks: the pretty ones print the values of local variables, and those may be a patient's.
    renderer = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if human
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([] if human else [structlog.processors.format_exc_info]),
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # A line and its end at once: processes share this file, and print() writes them one after the other.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for noisy in ("pydicom", "pynetdicom", "pyhanko", "fontTools", "urllib3", "celery.redirected"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
