"""Every module that declares rows, so that the metadata is whole once this one is imported."""

from gateway import accounts, audit, directory, index, keys, live, text_doubts, work
from gateway.backups import rows as backups
from gateway.deliveries import rows as deliveries
from gateway.ecg import rows as ecg
from gateway.lab import rows as lab
from worklists import (
    amending,
    critical,
    drafts,
    duty,
    ecg_statements,
    examinations,
    grading,
    key_images,
    name_words,
    patient_index,
    patients,
    reading,
    recognition,
    reports,
    reviewing,
    rule_books,
    sent_back,
    sharing,
)
from worklists import directory as community
from worklists.assignment import qualifications
from worklists.checking import rows as checking
from worklists.device_control import rows as device_control
from worklists.laboratory import control, dictionary, numbers, profiles, results, specimens
from worklists.recognising import rows as recognising

MODULES = (
    accounts,
    amending,
    audit,
    text_doubts,
    backups,
    checking,
    community,
    control,
    critical,
    deliveries,
    device_control,
    dictionary,
    directory,
    drafts,
    duty,
    ecg,
    ecg_statements,
    examinations,
    grading,
    index,
    key_images,
    keys,
    lab,
    live,
    name_words,
    numbers,
    patient_index,
    patients,
    profiles,
    qualifications,
    reading,
    recognising,
    recognition,
    reports,
    results,
    reviewing,
    rule_books,
    sent_back,
    sharing,
    specimens,
    work,
)
