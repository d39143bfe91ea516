"""Every module that declares rows, so that the metadata is whole once this one is imported."""

from gateway import accounts, audit, directory, index, keys, live, text_doubts, work
from gateway.backups import rows as backups
from gateway.ecg import rows as ecg
from worklists import directory as community
from worklists import (
    duty,
    ecg_statements,
    examinations,
    name_words,
    patient_index,
    patients,
    phrases,
    reading,
    recognition,
    reports,
)

MODULES = (
    accounts,
    audit,
    text_doubts,
    backups,
    community,
    directory,
    duty,
    ecg,
    ecg_statements,
    examinations,
    index,
    keys,
    live,
    name_words,
    patient_index,
    patients,
    phrases,
    reading,
    recognition,
    reports,
    work,
)
