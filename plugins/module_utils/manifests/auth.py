# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From the options of kubernetes.core (and its environment variables) to what an HTTP connection needs.

A kubeconfig with certificates, a token or a password is read here: importing the `kubernetes` client costs more
than a whole push of an unchanged set. Whatever needs that client's own logic (exec plugins, OIDC and other
auth-providers, several merged files, a Pod's service account) is left to it.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field
from typing import Any, Callable

from .errors import ClusterError, Unreachable
from .options import AUTH_OPTIONS

try:
    import yaml

    try:
        from yaml import CSafeLoader as Loader
    except ImportError:
        from yaml import SafeLoader as Loader  # type: ignore[assignment]
except ImportError:
    pass

DEFAULT_KUBECONFIG = "~/.kube/config"


@dataclass
class Endpoint:
    """Everything that a connection to one API server needs.

    :ivar server: base address, such as ``https://192.168.13.7:6443``.
    :ivar ca_file, ca_data: the certificate authority as a path or as PEM text; neither: the system's.
    :ivar cert_file, cert_data, key_file, key_data: the client certificate, as paths or as PEM text.
    :ivar authorization: value of the Authorization header, or empty.
    :ivar refresh: gives a new value of that header once the old one has expired, or None.
    :ivar namespace: the context's namespace, or empty.
    """

    server: str
    verify: bool = True
    tls_server_name: str = ""
    ca_file: str = ""
    ca_data: str = ""
    cert_file: str = ""
    cert_data: str = ""
    key_file: str = ""
    key_data: str = ""
    authorization: str = ""
    refresh: Callable[[], str] | None = None
    namespace: str = ""
    proxy: str = ""
    no_proxy: str = ""
    proxy_headers: dict[str, str] = field(default_factory=dict)
    headers: list[tuple[str, str]] = field(default_factory=list)


def effective_options(params: dict[str, Any]) -> dict[str, Any]:
    """The options as given, completed from the environment variables K8S_AUTH_*, as kubernetes.core does."""
    options: dict[str, Any] = {}
    for name in AUTH_OPTIONS:
        value = params.get(name)
        if value is None and name == "proxy_headers":
            value = {
                key: os.environ["K8S_AUTH_PROXY_HEADERS_" + key.upper()]
                for key in ("proxy_basic_auth", "basic_auth", "user_agent")
                if os.environ.get("K8S_AUTH_PROXY_HEADERS_" + key.upper())
            } or None
        elif value is None:
            value = os.environ.get("K8S_AUTH_" + name.upper())
            for alias in AUTH_OPTIONS[name].get("aliases", []) if value is None else []:
                value = os.environ.get("K8S_AUTH_" + alias.upper())
            if value is not None and name == "validate_certs":
                value = value.lower() not in ("0", "false", "no")
            if value is not None and name == "impersonate_groups":
                value = [group for group in value.split(",") if group]
        if value is not None:
            options[name] = value
    return options


def endpoint(params: dict[str, Any]) -> Endpoint:
    """Find the API server and the credentials.

    :param params: the module's parameters; those of `AUTH_OPTIONS` are read.
    :raises Unreachable: when no cluster is configured at all.
    :raises ClusterError: when the configuration is wrong, with the file and what would be right.
    """
    options = effective_options(params)
    has_credentials = (
        options.get("api_key")
        or (options.get("username") and options.get("password"))
        or (options.get("client_cert") and options.get("client_key"))
    )
    if options.get("host") and has_credentials:
        result = Endpoint(server="")
    else:
        result = _from_kubeconfig(options)
    _override(result, options)
    if not result.server:
        raise ClusterError("The kubeconfig names no server; set host, or a context that has a cluster.")
    result.server = result.server.rstrip("/")
    return result


def _override(result: Endpoint, options: dict[str, Any]) -> None:
    """Options win over the kubeconfig."""
    result.server = options.get("host") or result.server
    if "validate_certs" in options:
        result.verify = bool(options["validate_certs"])
    if options.get("ca_cert"):
        result.ca_file, result.ca_data = os.path.expanduser(options["ca_cert"]), ""
    if options.get("client_cert"):
        result.cert_file, result.cert_data = os.path.expanduser(options["client_cert"]), ""
    if options.get("client_key"):
        result.key_file, result.key_data = os.path.expanduser(options["client_key"]), ""
    if options.get("api_key"):
        result.authorization, result.refresh = "Bearer " + options["api_key"], None
    elif options.get("username") and options.get("password"):
        result.authorization, result.refresh = _basic(options["username"], options["password"]), None
    result.proxy = options.get("proxy") or result.proxy
    result.no_proxy = options.get("no_proxy") or result.no_proxy
    headers = options.get("proxy_headers") or {}
    if headers.get("proxy_basic_auth"):
        result.proxy_headers["Proxy-Authorization"] = _basic(*headers["proxy_basic_auth"].split(":", 1))
    if headers.get("basic_auth"):
        result.proxy_headers["Authorization"] = _basic(*headers["basic_auth"].split(":", 1))
    if headers.get("user_agent"):
        result.proxy_headers["User-Agent"] = headers["user_agent"]
    if options.get("impersonate_user"):
        result.headers.append(("Impersonate-User", options["impersonate_user"]))
    for group in options.get("impersonate_groups") or []:
        result.headers.append(("Impersonate-Group", group))


def _basic(user: str, password: str = "") -> str:
    return "Basic " + base64.b64encode((f"{user}:{password}").encode()).decode("ascii")


def _from_kubeconfig(options: dict[str, Any]) -> Endpoint:
    given = options.get("kubeconfig")
    context = options.get("context")
    if isinstance(given, dict):
        return _from_config(given, context, "", lambda: _by_kubernetes_client(options, given))
    if not given and not context and os.environ.get("KUBERNETES_SERVICE_HOST"):
        return _by_kubernetes_client(options, None)
    path = given or os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG
    if os.pathsep in path:
        return _by_kubernetes_client(options, path)
    path = os.path.expanduser(path)
    try:
        with open(path, encoding="utf-8") as stream:
            config = yaml.load(stream, Loader=Loader)
    except FileNotFoundError:
        if options.get("host"):
            return Endpoint(server="")
        raise Unreachable(f"There is no kubeconfig at {path}; set kubeconfig, or host with credentials.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ClusterError(
            "The kubeconfig {} cannot be read: {}.".format(path, getattr(error, "strerror", error))
        ) from None
    except yaml.YAMLError:
        raise ClusterError(f"The kubeconfig {path} is not valid YAML.") from None
    if not isinstance(config, dict):
        raise ClusterError(f"The kubeconfig {path} is empty.")
    return _from_config(config, context, path, lambda: _by_kubernetes_client(options, path))


def _named(config: dict, section: str, entry: str, name: str, path: str) -> dict:
    for candidate in config.get(section) or []:
        if candidate.get("name") == name:
            return candidate.get(entry) or {}
    raise ClusterError(
        "The kubeconfig {} has no entry {!r} in {}.".format(path or "given as a dictionary", name, section)
    )


def _from_config(config: dict, context: str | None, path: str, fall_back: Callable[[], Endpoint]) -> Endpoint:
    """Read one kubeconfig, or leave it to the kubernetes client where its own logic is needed."""
    name = context or config.get("current-context")
    if not name:
        raise ClusterError(f"The kubeconfig {path or 'given as a dictionary'} has no current-context; set context.")
    chosen = _named(config, "contexts", "context", name, path)
    cluster = _named(config, "clusters", "cluster", chosen.get("cluster", ""), path)
    user = _named(config, "users", "user", chosen["user"], path) if chosen.get("user") else {}
    if user.get("exec") or user.get("auth-provider"):
        found = fall_back()
        if user.get("exec") and not found.authorization and not found.cert_file:
            # The kubernetes client goes on as nobody then.
            command = user["exec"].get("command") or ""
            raise ClusterError(f"The exec plugin {command} gave no credentials; run it by hand to see why.")
        return found
    folder = os.path.dirname(os.path.abspath(path)) if path else ""

    def located(value: Any) -> str:
        return os.path.join(folder, value) if value else ""

    result = Endpoint(server=cluster.get("server") or "", namespace=chosen.get("namespace") or "")
    result.verify = not cluster.get("insecure-skip-tls-verify")
    result.tls_server_name = cluster.get("tls-server-name") or ""
    result.proxy = cluster.get("proxy-url") or ""
    result.ca_data = _decoded(cluster, "certificate-authority-data", path)
    result.ca_file = "" if result.ca_data else located(cluster.get("certificate-authority"))
    result.cert_data = _decoded(user, "client-certificate-data", path)
    result.cert_file = "" if result.cert_data else located(user.get("client-certificate"))
    result.key_data = _decoded(user, "client-key-data", path)
    result.key_file = "" if result.key_data else located(user.get("client-key"))
    if user.get("tokenFile"):
        token_file = located(user["tokenFile"])
        result.authorization = _bearer_of(token_file)
        result.refresh = lambda: _bearer_of(token_file)
    elif user.get("token"):
        result.authorization = "Bearer " + str(user["token"])
    elif user.get("username"):
        result.authorization = _basic(str(user["username"]), str(user.get("password") or ""))
    if user.get("as"):
        result.headers.append(("Impersonate-User", user["as"]))
    for group in user.get("as-groups") or []:
        result.headers.append(("Impersonate-Group", group))
    return result


def _bearer_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return "Bearer " + stream.read().strip()
    except OSError as error:
        raise ClusterError(f"The token file {path} cannot be read: {error.strerror}.") from None


def _decoded(section: dict, key: str, path: str) -> str:
    value = section.get(key)
    if not value:
        return ""
    try:
        return base64.b64decode("".join(str(value).split()), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise ClusterError(
            "The kubeconfig {} has a {} that is not base64 text.".format(path or "given as a dictionary", key)
        ) from None


def _by_kubernetes_client(options: dict[str, Any], source: Any) -> Endpoint:
    """Let the kubernetes client find the credentials: exec plugins, auth-providers, merged files, in-cluster.

    :param source: path(s), a dictionary, or None for the Pod's own service account.
    """
    try:
        from kubernetes import client as kubernetes_client
        from kubernetes import config as kubernetes_config
    except ImportError:
        raise ClusterError(
            "This kubeconfig needs the Python library kubernetes (exec plugin, auth-provider or several files): "
            "pip install kubernetes."
        ) from None
    configuration = kubernetes_client.Configuration()
    arguments: dict[str, Any] = {"context": options.get("context"), "client_configuration": configuration}
    if options.get("persist_config") is not None:
        arguments["persist_config"] = options["persist_config"]
    namespace = ""
    try:
        if source is None:
            kubernetes_config.load_incluster_config(client_configuration=configuration)
        elif isinstance(source, dict):
            arguments.pop("persist_config", None)
            kubernetes_config.load_kube_config_from_dict(source, **arguments)
        else:
            kubernetes_config.load_kube_config(config_file=source, **arguments)
            active = kubernetes_config.list_kube_config_contexts(config_file=source)[1]
            namespace = active.get("context", {}).get("namespace") or ""
    except Exception as error:
        # Refreshing a token goes over the network, and its libraries raise errors of their own.
        raise ClusterError(f"The credentials cannot be loaded: {error}") from None

    def authorization() -> str:
        return (
            configuration.get_api_key_with_prefix("authorization")
            or configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
            or ""
        )

    return Endpoint(
        server=configuration.host,
        verify=configuration.verify_ssl,
        tls_server_name=getattr(configuration, "tls_server_name", None) or "",
        ca_file=configuration.ssl_ca_cert or "",
        cert_file=configuration.cert_file or "",
        key_file=configuration.key_file or "",
        authorization=authorization(),
        refresh=authorization,
        namespace=namespace,
        proxy=configuration.proxy or "",
        no_proxy=configuration.no_proxy or "",
    )
