"""Run a Slurm cluster of one node, in a temporary folder, for as long as a command or a test takes.

    python3 tests/slurm/cluster.py COMMAND ARGS...     runs the command (for example bash) with SLURM_CONF set
    python3 tests/slurm/cluster.py --lacking           prints the programs that are not installed

The daemons are real (Debian's slurmctld, slurmd and munge). They use only the loopback interface and free ports. Keys,
state and logs lie in the temporary folder. The two GPUs of the node are fake: Slurm hands out /dev/null and /dev/zero
as GPUs. There are no cgroups, no systemd and no accounting: Slurm finds processes by their parents, and nothing
confines them. Everything is stopped and removed at the end, and the daemons die with this process.
"""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Seconds to wait for a daemon before it counts as broken.
PATIENCE = 30
TOOLS = ("munged", "slurmctld", "slurmd", "sinfo", "squeue", "sbatch", "scancel", "scontrol", "setpriv")

CONFIGURATION = """
ClusterName=shotline
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
# A scheduler that does not make tests wait.
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
# The node has as many cores as is said here, whatever the machine has.
SlurmdParameters=config_overrides
ReturnToService=2
MailProg=/bin/true
KillWait=20
GresTypes=gpu
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=1000 Gres=gpu:2 State=UNKNOWN
PartitionName=gpu Nodes=node Default=YES MaxTime=60 PriorityTier=1 State=UP
# Its jobs take the node away from those of the other partition.
PartitionName=urgent Nodes=node MaxTime=60 PriorityTier=2 State=UP
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
"""
GPUS = "NodeName=node Name=gpu File=/dev/null\nNodeName=node Name=gpu File=/dev/zero\n"


def lacking() -> list[str]:
    """The programs that are not installed. The search includes the folders of daemons, which a user's PATH may lack."""
    return [tool for tool in TOOLS if not shutil.which(tool, path=search_path())]


def search_path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cgroups(version: str) -> str:
    """The text of cgroup.conf for a version of Slurm.

    Slurm 22 and 23.02 load a cgroup plugin even if nothing uses it; later versions can do without. The plugin for
    cgroup version 1 works on any machine. The plugin for cgroup version 2 looks for systemd.
    """
    major, minor = (int(part) for part in version.removeprefix("slurm-wlm ").removeprefix("slurm ").split(".")[:2])
    if (major, minor) >= (23, 11):
        return "CgroupPlugin=disabled\n"
    return "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n"


class Cluster:
    """A running cluster: `with Cluster() as cluster:`. Slurm's commands need the variables in `cluster.environment`."""

    def __enter__(self) -> "Cluster":
        self.folder = Path(tempfile.mkdtemp(prefix="shotline-slurm-"))
        # Munge refuses a socket that only some users can reach.
        self.folder.chmod(0o755)
        configuration = self.folder / "slurm.conf"
        self.environment = {**os.environ, "SLURM_CONF": str(configuration), "PATH": search_path()}
        self.daemons: list[subprocess.Popen] = []
        try:
            self.configure(configuration)
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def configure(self, configuration: Path) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir(mode=0o755)
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        configuration.write_text(
            CONFIGURATION.format(
                host=socket.gethostname().split(".")[0],
                controller=free_port(),
                daemon=free_port(),
                user=getpass.getuser(),
                folder=self.folder,
            )
        )
        (self.folder / "gres.conf").write_text(GPUS)
        (self.folder / "cgroup.conf").write_text(cgroups(self.say("sinfo", "--version").strip()))

    def start(self) -> None:
        files = {"--key-file": "munge.key", "--socket": "munge.socket", "--pid-file": "munged.pid"}
        files |= {"--seed-file": "munged.seed", "--log-file": "munged.log"}
        munge = [f"{flag}={self.folder / name}" for flag, name in files.items()]
        self.daemon("munged", "--foreground", *munge)
        self.wait_for("munge's socket", (self.folder / "munge.socket").exists)
        self.daemon("slurmctld", "-D", "-i")
        self.wait_for("the controller", lambda: "UP" in self.say("scontrol", "ping", check=False))
        self.daemon("slurmd", "-D", "-N", "node")
        state = ("sinfo", "--noheader", "--partition=gpu", "--format=%T")
        self.wait_for("the node", lambda: self.say(*state, check=False).strip() == "idle")

    def daemon(self, *command: str) -> None:
        """Starts a daemon that ends when this process ends, however it ends."""
        with (self.folder / f"{command[0]}.out").open("wb") as out:
            guarded = ["setpriv", "--pdeathsig", "TERM", *command]
            self.daemons.append(subprocess.Popen(guarded, env=self.environment, stdout=out, stderr=out))

    def say(self, *command: str, check: bool = True) -> str:
        """Runs one of Slurm's commands and returns the output."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"{command}: {done.stderr}")
        return done.stdout

    def wait_for(self, what: str, there, patience: float = PATIENCE) -> None:
        """Waits until `there()` is true. Raises an error with the logs if a daemon ends or the wait is too long."""
        end = time.monotonic() + patience
        while not there():
            dead = [d.args[3] for d in self.daemons if d.poll() is not None]
            if dead or time.monotonic() > end:
                logs = [f"{log.name}:\n{log.read_text()[-2000:]}" for log in sorted(self.folder.glob("*.out"))]
                raise RuntimeError(f"no sign of {what}; ended: {dead}\n" + "\n".join(logs))
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        if len(self.daemons) == 3:
            subprocess.run(["scancel", "--full", "--me"], env=self.environment, capture_output=True, check=False)
            end = time.monotonic() + PATIENCE
            while self.say("squeue", "-h", check=False).strip() and time.monotonic() < end:
                time.sleep(0.2)
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in reversed(self.daemons):
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--lacking"]:
        print(" ".join(lacking()))
        sys.exit()
    if lacking():
        sys.exit(f"not installed: {', '.join(lacking())} (Debian: slurmctld slurmd slurm-client munge)")
    with Cluster() as running:
        sys.exit(subprocess.run(sys.argv[1:], env=running.environment, check=False).returncode)
