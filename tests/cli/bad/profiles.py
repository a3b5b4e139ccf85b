"""Device profiles that break a rule."""

from tests.cli.bad.case import Case, text

_FILE = "board.yaml"
_CHECK = ("devices", "check", _FILE)

_PROFILES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "a-list": ("- local\n", "holds keys such as"),
    "not-utf8": (b"host: \xff\n", "is not UTF-8 text"),
    "not-yaml": ("host: [", "is not YAML"),
    "no-host": ("threads: 1\n", "`host` is missing"),
    "host-number": ("host: 3\n", "`host` must be"),
    "host-word": ("host: board\n", "`host` must be"),
    "host-option": ("host: ssh://-oProxyCommand=touch%20ran\n", "`host` must be"),
    "host-query": ("host: ssh://pi@board?python=x\n", "takes no ?python="),
    "host-port": ("host: ssh://pi@board:99999\n", "`host` must be"),
    "unknown-key": ("host: local\nthread: 1\n", "did you mean 'threads'"),
    "key-twice": ("host: local\nhost: local\n", "stands twice"),
    "device-word": ("host: local\ndevice: gpu\n", "`device` must be cpu or cuda:N"),
    "runtimes-empty": ("host: local\nruntimes: []\n", "`runtimes`"),
    "runtimes-unknown": ("host: local\nruntimes: [onnxruntim]\n", "did you mean 'onnxruntime'"),
    "runtimes-text": ("host: local\nruntimes: onnxruntime\n", "`runtimes` must be a list"),
    "threads-zero": ("host: local\nthreads: 0\n", "`threads` must be a whole number from 1"),
    "threads-text": ('host: local\nthreads: "2"\n', "`threads` must be a whole number from 1"),
    "precision": ("host: local\nprecision: float8\n", "`precision` must be one of"),
    "python-here": ("host: local\npython: python3\n", "`python` is for devices reached through ssh"),
    "python-command": ("host: ssh://pi@board\npython: -c evil\n", "`python` must be"),
    "ssh-config-here": ("host: local\nssh_config: x\n", "`ssh_config` is for devices"),
    "python-object": ("host: !!python/object/apply:os.system [touch ran]\n", "has the tag"),
}

CASES = (
    *(Case(f"profile-{name}", _CHECK, says, text(_FILE, content)) for name, (content, says) in _PROFILES.items()),
    Case(
        "search-profile",
        ("search", "--space", "ghostv2-n", "--workers", "0", "--device", _FILE),
        "did you mean 'threads'",
        text(_FILE, _PROFILES["unknown-key"][0]),
    ),
    Case(
        "profile-runtime",
        ("latency", "yolo11n.yaml", "--device", _FILE, "--runtime", "torch"),
        "allows the runtimes",
        text(_FILE, "host: local\nruntimes: [onnxruntime]\n"),
    ),
)
