"""Confines a process with landlock, seccomp and a dropped uid, by system calls alone.

For hosts that refuse namespaces, such as a plain container. `confine` runs in
the child between fork and exec. It holds: no write outside the given
directory, no read outside it and /usr, no socket, no namespace, no signal to a
process outside, no escape from the process group that the kill is aimed at.
Weaker than bubblewrap: there is no disk quota, only a file size limit and the
action timeout; names and sizes of files outside can be probed one by one; and
when the caller itself is killed its shells die, but what they had put in the
background runs on and their files stay in /tmp.
"""

import ctypes
import functools
import os
import platform
import signal
import struct
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_MINIMUM_ABI = 3  # the first that governs truncation; kernel 6.2
_FILE_READ, _FILE_WRITE, _FILE_EXECUTE, _DIRECTORY_READ, _TRUNCATE = 1 << 2, 1 << 1, 1 << 0, 1 << 3, 1 << 14
_READABLE = ("/usr", "/bin", "/lib", "/lib64", "/sbin", "/etc/ld.so.cache")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
# name: (x86_64, aarch64) from the kernel's unistd tables; -1 where the architecture lacks it
_DENIED = {
    "socket": (41, 198), "socketpair": (53, 199), "ptrace": (101, 117), "setpgid": (109, 154), "setsid": (112, 157),
    "personality": (135, 92), "sched_setscheduler": (144, 119), "setpriority": (141, 140), "pivot_root": (155, 41),
    "chroot": (161, 51), "mount": (165, 40), "umount2": (166, 39), "swapon": (167, 224), "reboot": (169, 142),
    "init_module": (175, 105), "sched_setaffinity": (203, 122), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "ioprio_set": (251, 30), "unshare": (272, 97), "perf_event_open": (298, 241),
    "setns": (308, 268), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "finit_module": (313, 273),
    "bpf": (321, 280), "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsmount": (432, 432), "pidfd_getfd": (438, 438), "mount_setattr": (442, 442), "memfd_create": (319, 279),
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
}  # fmt: skip
# Landlock does not govern these, and under the caller's own uid they reach the caller's files.
_DENIED_UNDER_OWN_UID = {
    "chmod": (90, -1), "chown": (92, -1), "lchown": (94, -1), "fchmodat": (268, 53), "fchownat": (260, 54),
    "fchmodat2": (452, 452), "setxattr": (188, 5), "lsetxattr": (189, 6), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "utime": (132, -1), "utimes": (235, -1), "futimesat": (261, -1),
}  # fmt: skip
_SIGNALS = {"kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "pidfd_send_signal": (424, 424)}
_SIGNAL_SCOPE_ABI = 6
_CLONE, _CLONE3, _PRLIMIT, _UTIMENSAT = (56, 220), (435, 435), (302, 261), (280, 88)
_NAMESPACE_FLAGS = 0x7E020000  # CLONE_NEW*: user, pid, net, ipc, uts, cgroup, mount

_ALLOW, _KILL, _EPERM, _ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06


def why_unavailable() -> str:
    """Empty when this kernel can confine a process this way, else why not."""
    if platform.machine() not in _ARCHITECTURES:
        return f"no seccomp table for {platform.machine()}"
    if (abi := _abi()) < _MINIMUM_ABI:
        return f"the kernel offers landlock ABI {abi}, at least {_MINIMUM_ABI} is needed"
    return ""


def confine(writable: Path, uid: int | None) -> None:
    """Confine the calling process for good: write only under `writable`, run as `uid` (None keeps the caller's).

    Raises OSError on any refusal, so that no command ever runs half confined.
    """
    _call("no_new_privs", _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _restrict_files(writable)
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    # After the uid change, which clears it: a killed collector leaves no shell behind.
    _call("parent death signal", _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    _restrict_system_calls(own_uid=uid is not None)


def _abi() -> int:
    return _LIBC.syscall(_CREATE_RULESET, None, 0, 1)


def _restrict_files(writable: Path) -> None:
    abi = _abi()
    handled = (1 << (13 if abi < 2 else 14 if abi < 3 else 15 if abi < 5 else 16)) - 1
    attributes = struct.pack("QQQ", handled, 0b11, 0b11)[: 8 if abi < 4 else 16 if abi < _SIGNAL_SCOPE_ABI else 24]
    ruleset = _call("ruleset", _LIBC.syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    _permit(ruleset, writable, handled)
    for path in filter(os.path.exists, _READABLE):
        directory = _DIRECTORY_READ if Path(path).is_dir() else 0
        _permit(ruleset, Path(path), _FILE_READ | _FILE_EXECUTE | directory)
    for path in filter(os.path.exists, _DEVICES):
        _permit(ruleset, Path(path), _FILE_READ | _FILE_WRITE | _TRUNCATE)
    _call("restriction", _LIBC.syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def _permit(ruleset: int, path: Path, access: int) -> None:
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", access, parent)
    _call(f"rule for {path}", _LIBC.syscall(_ADD_RULE, ruleset, 1, rule, 0))
    os.close(parent)


def _restrict_system_calls(own_uid: bool) -> None:
    program = _program(own_uid)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    _call("seccomp", _LIBC.prctl(_PR_SET_SECCOMP, 2, header, 0, 0))


@functools.cache
def _program(own_uid: bool) -> bytes:
    """The seccomp filter as BPF: allow all but what is denied above."""
    audit_architecture, column = _ARCHITECTURES[platform.machine()]
    denied = dict(_DENIED)
    if not own_uid:
        denied |= _DENIED_UNDER_OWN_UID
    if _abi() < _SIGNAL_SCOPE_ABI:
        denied |= _SIGNALS
    code = [_op(_LOAD, 4), _op(_EQUAL, audit_architecture, 1, 0), _op(_RETURN, _KILL), _op(_LOAD, 0)]
    if column == 0:  # the x32 calls share the architecture, not the numbers
        code += [_op(_AT_LEAST, 0x40000000, 0, 1), _op(_RETURN, _KILL)]
    for numbers in denied.values():
        if numbers[column] >= 0:
            code += [_op(_EQUAL, numbers[column], 0, 1), _op(_RETURN, _EPERM)]
    code += [_op(_EQUAL, _CLONE3[column], 0, 1), _op(_RETURN, _ENOSYS)]  # its flags lie behind a pointer
    code += _deny_argument(_CLONE[column], 0, [_op(_ANY_BIT, _NAMESPACE_FLAGS, 0, 1)])
    code += _deny_argument(_PRLIMIT[column], 0, [_op(_EQUAL, 0, 1, 0)])
    if not own_uid:
        code += _deny_argument(_UTIMENSAT[column], 1, [_op(_EQUAL, 0, 1, 0)])
    return b"".join([*code, _op(_RETURN, _ALLOW)])


def _deny_argument(number: int, argument: int, test: list[bytes]) -> list[bytes]:
    """EPERM for one call when `test`, on the low half of an argument, falls through; other calls pass."""
    low_half = 16 + 8 * argument
    body = [_op(_LOAD, low_half), *test, _op(_RETURN, _EPERM), _op(_LOAD, 0)]
    return [_op(_EQUAL, number, 0, len(body)), *body]


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _call(what: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
