"""Writes functions into a file of SQLite, each in a transaction of its own, and prints how many a second.

Arguments: the file, an app's id, seconds.
"""
import sqlite3
import sys
import time

file, app, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
db = sqlite3.connect(file, isolation_level=None)
for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
    db.execute(f"PRAGMA {setting}").fetchall()
INSERT = (
    "INSERT INTO fns (id, name, app_id, image, memory, timeout, idle_timeout, config, annotations, created_at,"
    " updated_at, shape, lb_group) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
CONFIG = '{"DB_HOST":"db.example.internal","LEVEL":"info"}'
NOW = "2026-11-20T13:24:34.173Z"
IMAGE = "registry.example/team/function:1.0"
run = time.time_ns()
commits = 0
start = time.perf_counter()
while time.perf_counter() - start < seconds:
    name = f"{run}-{commits}"
    row = (name, name, app, IMAGE, 128, 30, 30, CONFIG, '{"team":"checkout"}', NOW, NOW, "", "")
    db.execute("BEGIN IMMEDIATE")
    db.execute(INSERT, row)
    db.execute("COMMIT")
    commits += 1
print(commits / (time.perf_counter() - start))
