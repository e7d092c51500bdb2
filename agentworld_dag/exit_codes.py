"""How a stage's process tells by its exit code why it ended; what a launcher can know of a remote process too."""

FINISHED, FAILED = 0, 1
"""`FAILED` with one line on stderr that says why."""
OUT_OF_MEMORY = 71
"""The stage itself ran out of memory, of the machine or of a GPU, and lived to say so."""
RESUME_ME = 75
"""It was asked to stop and left what it has: started again, it goes on from there. `sysexits.h` calls it TEMPFAIL."""
