"""JupyterHub as the role kubeflow sets it up. What changes from cluster to cluster is in settings.json beside it."""

import hashlib
import hmac
import json
import re
import sys
from pathlib import Path

from jupyterhub.auth import Authenticator

HERE = Path("/etc/jupyterhub")
settings = json.loads((HERE / "settings.json").read_text())


def secret(name):
    """A text from the Secret jupyterhub."""
    return (HERE / "secrets" / name).read_text()


class PasswordAuthenticator(Authenticator):
    """Each person has a password of their own, in the Secret jupyterhub-passwords."""

    async def authenticate(self, handler, data):
        name = data["username"]
        file = HERE / "passwords" / name
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name) or not file.is_file():
            return None
        right = file.read_bytes()
        return name if right and hmac.compare_digest(right, data["password"].encode()) else None


c = get_config()  # noqa: F821 # pylint: disable=undefined-variable # JupyterHub brings it

c.JupyterHub.authenticator_class = PasswordAuthenticator
c.Authenticator.allowed_users = set(settings["users"])
c.Authenticator.admin_users = set(settings["users"][:1])

# The hub and its proxy
c.JupyterHub.base_url = settings["base_url"]
c.JupyterHub.hub_bind_url = "http://:8081"
c.JupyterHub.hub_connect_url = "http://hub:8081"
c.JupyterHub.cookie_secret = hashlib.sha256(secret("cookie-secret").encode()).digest()
c.JupyterHub.db_url = "sqlite:////srv/data/jupyterhub.sqlite"
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
c.KubeSpawner.fs_gid = 100
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_capacity = settings["notebook_storage"]
c.KubeSpawner.storage_access_modes = ["ReadWriteOnce"]
c.KubeSpawner.storage_extra_labels = {"app.kubernetes.io/component": "singleuser-storage"}
c.KubeSpawner.volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}]
c.KubeSpawner.volume_mounts = [{"name": "home", "mountPath": "/home/jovyan"}]

# Servers that nobody has used for a while are stopped, so that their memory is free; files stay.
c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={settings['idle_seconds']}"],
    },
    # For playbooks/kubeflow.yml --tags smoke
    {"name": "smoke", "api_token": secret("smoke-token")},
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
