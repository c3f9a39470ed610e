"""PostgreSQL's log of changes, kept: each finished segment goes to a folder, from which any instant can be reached.

<home>/wal        link to the folder; while it is there, the cluster archives, whoever starts it
<home>/archive    what PostgreSQL calls with a segment
<home>/restore    what a recovering PostgreSQL calls for one, and `source` the link to where it is
"""

SETTINGS = """\
archive_mode = on
archive_timeout = 60
archive_command = '/bin/sh ../archive "%p" %f'
"""

# Success means: in the archive, and on the disk. What is there already is never overwritten; the same again is fine.
# The rest of an abandoned timeline's last segment would collide with that of the next recovery, and nothing reads it.
ARCHIVE = """\
#!/bin/sh
set -eu
umask 077
case $2 in *.partial) exit 0 ;; esac
if [ -e "../wal/$2.gz" ]; then
    gzip -dc "../wal/$2.gz" | cmp -s - "$1"
    exit
fi
gzip -1 -c "$1" >"../wal/.$2.half"
sync "../wal/.$2.half"
mv -T "../wal/.$2.half" "../wal/$2.gz"
sync ../wal
"""

# What was not archived yet when the replaced cluster ended lies in its own folder.
RESTORE = """\
#!/bin/sh
set -eu
if [ -e "../source/$1.gz" ]; then
    gzip -dc "../source/$1.gz" >"$2"
else
    cp "../../../cluster/pg_wal/$1" "$2"
fi
"""

RECOVERY = """\
restore_command = '/bin/sh ../restore %f "%p"'
recovery_target_timeline = 'current'
recovery_target_action = 'promote'
"""
RECOVERY_SETTINGS = ("restore_command", "recovery_target_timeline", "recovery_target_action", "recovery_target_time")
NOT_REACHED = "recovery ended before configured recovery target was reached"
