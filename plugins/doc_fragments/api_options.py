# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options by which a module reaches a cluster, in the names of kubernetes.core."""

from __future__ import annotations


class ModuleDocFragment:
    """Connection options of modules that speak to an API server."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of a kubeconfig, several paths separated by C(:), or its content as a dictionary.
      - Also read from E(K8S_AUTH_KUBECONFIG), then E(KUBECONFIG); the default is C(~/.kube/config).
    type: raw
  context:
    description: Name of a context in the kubeconfig. Also read from E(K8S_AUTH_CONTEXT).
    type: str
  host:
    description: Address of the API server. Also read from E(K8S_AUTH_HOST).
    type: str
  api_key:
    description: Bearer token. Also read from E(K8S_AUTH_API_KEY).
    type: str
  username:
    description:
      - User name for HTTP basic authentication, for a proxy in front of the cluster that requires it. Also read from
        E(K8S_AUTH_USERNAME).
    type: str
  password:
    description: Password that belongs to O(username). Also read from E(K8S_AUTH_PASSWORD).
    type: str
  validate_certs:
    description:
      - Whether to verify the API server's certificate. Also read from E(K8S_AUTH_VERIFY_SSL). It is verified
        by default.
    type: bool
    aliases: [verify_ssl]
  ca_cert:
    description: Path of the certificate authority to trust. Also read from E(K8S_AUTH_SSL_CA_CERT).
    type: path
    aliases: [ssl_ca_cert]
  client_cert:
    description: Path of a client certificate. Also read from E(K8S_AUTH_CERT_FILE).
    type: path
    aliases: [cert_file]
  client_key:
    description: Path of the client certificate's key. Also read from E(K8S_AUTH_KEY_FILE).
    type: path
    aliases: [key_file]
  proxy:
    description: Address of an HTTP proxy. Also read from E(K8S_AUTH_PROXY); E(HTTP_PROXY) is not read.
    type: str
  no_proxy:
    description:
      - Hosts, domains and networks that are reached without O(proxy), separated by commas. Also read from
        E(K8S_AUTH_NO_PROXY).
    type: str
  proxy_headers:
    description: Headers for the proxy.
    type: dict
    suboptions:
      proxy_basic_auth:
        description:
          - User name and password for the proxy, separated by a colon. Also read from
            E(K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH).
        type: str
      basic_auth:
        description:
          - User name and password for the Authorization header, separated by a colon. Also read from
            E(K8S_AUTH_PROXY_HEADERS_BASIC_AUTH).
        type: str
      user_agent:
        description: Value of the User-Agent header. Also read from E(K8S_AUTH_PROXY_HEADERS_USER_AGENT).
        type: str
  persist_config:
    description:
      - Whether the kubernetes client may save refreshed tokens to the kubeconfig. Also read from
        E(K8S_AUTH_PERSIST_CONFIG).
    type: bool
  impersonate_user:
    description: User to act as. Also read from E(K8S_AUTH_IMPERSONATE_USER).
    type: str
  impersonate_groups:
    description: Groups to act as. Also read from E(K8S_AUTH_IMPERSONATE_GROUPS), separated by commas.
    type: list
    elements: str
"""
