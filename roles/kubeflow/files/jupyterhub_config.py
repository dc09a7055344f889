"""JupyterHub as the role kubeflow sets it up. What changes from cluster to cluster is in settings.json beside it."""

import hashlib
import hmac
import json
import math
import re
import sys
import time
from pathlib import Path

from jupyterhub import orm, roles
from jupyterhub.auth import Authenticator
from jupyterhub.utils import new_token
from tornado.web import HTTPError

HERE = Path(__file__).parent
HOME = "/home/jovyan"
FIRST_MODEL = "/srv/first-model"
OVERRIDES = "default_setting_overrides.json"
settings = json.loads((HERE / "settings.json").read_text())


def secret(name):
    """A text from the Secret jupyterhub."""
    return (HERE / "secrets" / name).read_text()


class Brake:
    """Slows who tries passwords: after a few wrong ones in a row each further one has to wait, for longer every time.

    It counts by name and address, so that nobody locks somebody else out from another computer.
    """

    FREE = 5  # wrong passwords before the first wait
    LONGEST = 60.0  # seconds
    FORGOTTEN = 900.0  # seconds after the last wrong password
    REMEMBERED = 1000  # names and addresses, so that memory is bounded

    def __init__(self, clock=time.monotonic):
        self.clock = clock
        self.wrong = {}  # (name, address): how many in a row, and when the last was

    def wait(self, *who):
        """Seconds that are left before the next password of theirs is looked at; 0 for none."""
        count, last = self.wrong.get(who, (0, 0.0))
        if count < self.FREE:
            return 0.0
        return max(0.0, last + min(2.0 ** (count - self.FREE), self.LONGEST) - self.clock())

    def failed(self, *who):
        """A wrong password."""
        now = self.clock()
        self.wrong = {key: (count, last) for key, (count, last) in self.wrong.items() if now - last < self.FORGOTTEN}
        count, _last = self.wrong.pop(who, (0, 0.0))
        self.wrong[who] = (count + 1, now)
        if len(self.wrong) > self.REMEMBERED:
            del self.wrong[next(iter(self.wrong))]

    def passed(self, *who):
        """The right one."""
        self.wrong.pop(who, None)


class PasswordAuthenticator(Authenticator):
    """Each person has a password of their own, in the Secret jupyterhub-passwords."""

    brake = Brake()

    async def authenticate(self, handler, data):
        name = data["username"]
        file = HERE / "passwords" / name
        known = re.fullmatch(r"[a-z0-9][a-z0-9-]*", name) and name in self.allowed_users and file.is_file()
        # Names that do not exist share one count: made-up ones must not push those of people out.
        who = (name if known else "", handler.request.remote_ip)
        wait = self.brake.wait(*who)
        if wait:
            raise HTTPError(429, f"Too many wrong passwords: try again in {math.ceil(wait)} seconds.")
        right = file.read_bytes() if known else b""
        if right and hmac.compare_digest(right, data["password"].encode()):
            self.brake.passed(*who)
            return name
        self.brake.failed(*who)
        return None

    def check_allow_config(self):
        """JupyterHub's database follows the list of people, before anybody from it is let in.

        By itself JupyterHub keeps whoever was in the list once, with flag, sessions and tokens.
        """
        super().check_allow_config()
        db = self.parent.db
        for user in db.query(orm.User):
            if user.name in self.allowed_users:
                user.admin = user.name in self.admin_users
                roles.assign_default_roles(db, entity=user)
            else:
                # JupyterHub stops their servers and takes their roles away.
                self.blocked_users.add(user.name)
                user.cookie_id = new_token()
                for token in (*user.api_tokens, *user.oauth_codes):
                    db.delete(token)
        # Services get new ones; a smoke test that was cut short must not leave its own.
        for token in db.query(orm.APIToken).filter(orm.APIToken.service_id.is_not(None)):
            db.delete(token)
        db.commit()


c = get_config()  # noqa: F821 # pylint: disable=undefined-variable # JupyterHub brings it

c.JupyterHub.authenticator_class = PasswordAuthenticator
c.Authenticator.allowed_users = set(settings["users"])
c.Authenticator.admin_users = set(settings["users"][:1])
c.Authenticator.allow_existing_users = False

# The hub and its proxy
c.JupyterHub.base_url = settings["base_url"]
c.JupyterHub.hub_bind_url = "http://:8081"
c.JupyterHub.hub_connect_url = "http://hub:8081"
c.JupyterHub.cookie_secret = hashlib.sha256(secret("cookie-secret").encode()).digest()
c.JupyterHub.db_url = settings["database"]
c.JupyterHub.cleanup_servers = False
c.JupyterHub.last_activity_interval = 60
c.ConfigurableHTTPProxy.api_url = "http://proxy-api:8001"
c.ConfigurableHTTPProxy.auth_token = secret("proxy-token")
c.ConfigurableHTTPProxy.should_start = False

# Each person's server: a pod, with a volume for the home folder
c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
c.KubeSpawner.image = settings["notebook_image"]
c.KubeSpawner.cmd = ["jupyterhub-singleuser"]
c.KubeSpawner.namespace = settings["namespace"]
c.KubeSpawner.start_timeout = settings["start_timeout"]
c.KubeSpawner.http_timeout = 120
c.KubeSpawner.cpu_guarantee = settings["notebook_cpu"]
c.KubeSpawner.mem_guarantee = settings["notebook_memory"]
c.KubeSpawner.mem_limit = settings["notebook_memory_limit"]
# As the namespace's Pod Security level "restricted" wants it
c.KubeSpawner.uid = 1000
c.KubeSpawner.fs_gid = 100
c.KubeSpawner.automount_service_account_token = False
if settings["model_url"]:
    # An account that may hand over a model to the model server, and nothing else
    c.KubeSpawner.service_account = "notebook"
    c.KubeSpawner.automount_service_account_token = True
c.KubeSpawner.container_security_context = {
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_capacity = settings["notebook_storage"]
c.KubeSpawner.storage_access_modes = ["ReadWriteOnce"]
c.KubeSpawner.storage_extra_labels = {"app.kubernetes.io/component": "singleuser-storage"}
c.KubeSpawner.volumes = [
    {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}},
    {"name": "first-model", "configMap": {"name": "first-model"}},
]
c.KubeSpawner.volume_mounts = [
    {"name": "home", "mountPath": HOME},
    {"name": "first-model", "mountPath": FIRST_MODEL, "readOnly": True},
    {"name": "first-model", "mountPath": f"/etc/jupyter/labconfig/{OVERRIDES}", "subPath": OVERRIDES, "readOnly": True},
]
# The notebook to begin with comes into each home once, so that who deletes it does not get it again. A full home must
# not end the server.
COPY = f"cd {HOME}; [ -e .first-model ] || {{ cp -n {FIRST_MODEL}/first-model.ipynb . && touch .first-model; }} || true"
c.KubeSpawner.lifecycle_hooks = {"postStart": {"exec": {"command": ["sh", "-c", COPY]}}}
c.KubeSpawner.environment = {"PYTHONPATH": FIRST_MODEL, "MODEL_URL": settings["model_url"]}

# Servers that nobody has used for a while are stopped, so that their memory is free; files stay.
c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={settings['idle_seconds']}"],
    },
    # For playbooks/kubeflow.yml --tags smoke, which has smoke_token.py make a token for the time of the test
    {"name": "smoke"},
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "services": ["idle-culler"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    },
    {
        "name": "smoke",
        "services": ["smoke"],
        "scopes": ["admin:users", "admin:servers", "access:servers", "tokens"],
    },
]
