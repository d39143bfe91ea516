"""What a report is begun from: templates with slots, phrases, and which of them fit an examination.

A centre's own stand in its rule book `templates`; what it begins with is data beside this module.
"""
