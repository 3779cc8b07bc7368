"""Passwords that everybody knows, in one file that is looked into without being loaded.

`reader` looks into files and needs little memory; `builder` makes them; `signature` says whom a
file is from and loads `cryptography`, so a resident process asks `child` instead. Whoever opens a
list hands over its seal: there is no way to open one without.
"""
