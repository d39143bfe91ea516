"""The FTP server for carts that can do nothing else: FTP over TLS (RFC 4217), each device with its own account.

226 is answered after the journal's sync, never before. What is uploaded lies apart until it is whole, so that a
dropped connection leaves nothing and two uploads of one name do not meet. A file that is refused is answered 550 and
lies in `refused/` with its explanation. Names of what is not whole yet (`.tmp`, …) are taken when they are renamed; a
WFDB header and its signals are kept in the folder, synced, and taken from there together. No download, no append, no
resuming. Data are always taken as binary: carts forget to say so, and changed line ends would spoil a recording.
"""
