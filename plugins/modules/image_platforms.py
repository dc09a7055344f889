#!/usr/bin/python

# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_platforms
short_description: Checks on which nodes container images can run
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Asks each image's registry which platforms the image is built for, and compares them with those of the nodes.
  - Images are given by name, or found in Kubernetes objects of any kind, custom resources and known places in
    ConfigMaps, arguments and variables among them.
  - Many images are checked at once. Mirrors, logins and rate limits are respected, and answers are cached.
  - Nothing is pulled and nothing is changed.
options:
  images:
    description: Image references, as in a container's C(image).
    type: list
    elements: str
    default: []
  objects:
    description: Kubernetes objects whose images to check.
    type: list
    elements: dict
    default: []
  paths:
    description:
      - Further places in O(objects) that name images, besides containers and the places that the module knows.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: Kind of the object.
        type: str
        required: true
      name:
        description: Name of the object, with V(*) for anything.
        type: str
        default: '*'
      path:
        description: Keys from the object's root to the value; V(*) is every key or item.
        type: list
        elements: str
        required: true
      format:
        description:
          - V(field), the value is the image.
          - V(json) or V(yaml), the value is a text in which O(paths[].inner) leads on to the image.
          - V(objects), the value is a text with Kubernetes objects.
          - V(pattern), the value is a text in which the regular expressions O(paths[].inner) find images, each as its
            first group.
        type: str
        choices: [field, json, yaml, objects, pattern]
        default: field
      inner:
        description: Keys within the text, or regular expressions.
        type: list
        elements: str
        default: []
  platforms:
    description:
      - What the images should run on, for example V(linux/arm64), V(linux/amd64) or V(linux/arm/v7).
      - Filter P(bramble.kube.node_platforms#filter) reads them from Node objects.
      - A 64-bit ARM node also takes 32-bit ARM images, as containerd does; see RV(images[].runs_as).
    type: list
    elements: str
    default: []
  replacements:
    description:
      - Images to ask for instead of others. A key is a whole reference, a repository (for all its tags), or a prefix
        that ends in C(/).
    type: dict
    default: {}
  mirrors:
    description:
      - Addresses of mirrors by registry, asked before the registry itself, as in C(docker_registry_mirrors).
      - Key V(_default) is for every registry without an entry of its own.
      - The address of a registry that speaks plain http is given the same way, under its own name.
    type: dict
    default: {}
  credentials:
    description:
      - Logins. They take precedence over those in docker's configuration.
      - A mirror gets only the login under its own name, never its registry's.
    type: list
    elements: dict
    default: []
    suboptions:
      registry:
        description: Registry, with its port if it has one; a folder may follow (C(quay.io/team)).
        type: str
        required: true
      username:
        description: Name of the user.
        type: str
      password:
        description: Password or access token of the user.
        type: str
      identity_token:
        description: Refresh token, instead of name and password.
        type: str
  docker_config:
    description:
      - Files with logins, as docker and podman keep them, credential helpers included.
      - If not set, those files in their usual places. An empty list for none.
    type: list
    elements: path
  cache:
    description:
      - Folder for answers from registries. Files in it are readable by their owner alone.
      - If not set, C(bramble.kube/images) in the user's cache folder. An empty text for none.
    type: path
  cache_max_age:
    description:
      - Seconds for which an answer about a tag is used. After that, one request checks whether the tag has moved.
      - Answers about digests never change and are kept.
    type: int
    default: 86400
  sizes:
    description: Whether to report the download size for each platform, at the cost of one more request per platform.
    type: bool
    default: true
  workers:
    description: How many images are checked at the same time.
    type: int
    default: 8
  timeout:
    description: Seconds within which a registry must answer a request.
    type: float
    default: 15
  rate_limit_wait:
    description:
      - Seconds that a registry that limits requests may make the module wait. If it asks for more, its images
        count as V(rate_limited).
    type: float
    default: 30
  ca_path:
    description: File or folder with certificates of authorities to trust besides the system's.
    type: path
  validate_certs:
    description: Whether to check the registries' certificates.
    type: bool
    default: true
requirements:
  - PyYAML, where O(objects) contain YAML text
attributes:
  check_mode:
    description: Runs the same in check mode, because it changes nothing.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
notes:
  - Run it on the laptop (C(delegate_to) localhost).
  - Proxies are taken from the environment (E(HTTPS_PROXY), E(HTTP_PROXY), E(NO_PROXY)).
seealso:
  - plugin: bramble.kube.images_of
    plugin_type: filter
  - plugin: bramble.kube.node_platforms
    plugin_type: filter
  - plugin: bramble.kube.fit
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Ask whether these images run on 64-bit Pis
  bramble.kube.image_platforms:
    images:
      - registry.k8s.io/pause:3.10
      - ghcr.io/flannel-io/flannel:v0.28.1
    platforms: [linux/arm64]
  delegate_to: localhost
  register: asked

- name: Show what is missing
  ansible.builtin.debug:
    var: asked.table

- name: Ask for everything that some manifests start, through the mirrors that the nodes use
  bramble.kube.image_platforms:
    objects: "{{ lookup('ansible.builtin.file', 'rendered.yaml') | from_yaml_all }}"
    platforms: [linux/arm64, linux/amd64]
    mirrors:
      docker.io: ["http://192.168.13.2:5000"]
    replacements:
      gcr.io/kubeflow-images-public/tf_operator: docker.io/kubeflow/training-operator:v1-855e096
  delegate_to: localhost
  register: asked
  failed_when: asked.failed or asked.missing | length > 0
"""

RETURN = r"""
images:
  description: One entry for each image as written, in the order in which they first appear.
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: The image as written.
      type: str
      sample: kubeflow/training-operator:v1-855e096
    status:
      description:
        - V(ok), it runs on every wanted platform.
        - V(missing), it is not built for some of them.
        - V(invalid), it is not an image reference.
        - V(not_found), V(unauthorized), V(unreachable), V(rate_limited), V(error), its registry gave no usable answer.
      type: str
    error:
      description: What is wrong, in a sentence; none if all is well.
      type: str
    used_by:
      description: What uses it, if it was found in O(objects).
      type: list
      elements: str
      sample: ["Deployment kubeflow/training-operator, container training-operator"]
    replaced_by:
      description: The image that was asked for instead, if any.
      type: str
    reference:
      description: What was asked for, in full.
      type: str
      sample: docker.io/kubeflow/training-operator:v1-855e096
    digest:
      description: Digest of the index or manifest.
      type: str
    media_type:
      description: Media type of the index or manifest.
      type: str
    platforms:
      description: What it is built for.
      type: list
      elements: str
      sample: [linux/amd64, linux/arm64, linux/ppc64le]
    runs_as:
      description: For each wanted platform on which it runs, the platform that a node would take.
      type: dict
      sample: {linux/arm64: linux/arm64}
    missing:
      description: The wanted platforms on which it does not run.
      type: list
      elements: str
    sizes:
      description: Bytes to download (compressed) for each platform that a node would take, or all if none was wanted.
      type: dict
      sample: {linux/arm64: 31415926}
    source:
      description: Address that answered, now or when the answer was cached.
      type: str
    age:
      description: Seconds since it answered.
      type: int
    stale:
      description: Whether that is longer ago than O(cache_max_age) because no registry answers now.
      type: bool
missing:
  description: The images that are not built for some wanted platform.
  returned: success
  type: list
  elements: str
unanswered:
  description: The images whose registry gave no usable answer, or that are not image references.
  returned: success
  type: list
  elements: str
table:
  description: The answers as lines of a table.
  returned: success
  type: list
  elements: str
requests:
  description: Number of HTTP requests.
  returned: success
  type: int
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.images import ask


def main() -> None:
    """Do what is left to do."""
    perform(ask)


if __name__ == "__main__":
    main()
