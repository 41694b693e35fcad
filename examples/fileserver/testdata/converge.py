"""Wants the same objects a few times, through the library under Pulp's clients, and prints what changed."""

import sys

from pulp_glue.common.authentication import BasicAuthProvider
from pulp_glue.common.context import PulpContext
from pulp_glue.file.context import (
    PulpFileDistributionContext,
    PulpFileRemoteContext,
    PulpFileRepositoryContext,
)

pulp = PulpContext(
    api_root="/pulp/",
    api_kwargs={"base_url": sys.argv[1], "auth_provider": BasicAuthProvider("admin", sys.argv[2])},
)


def want(context, name, attributes):
    changed, _, after = context(pulp, entity={"name": name}).converge(attributes)
    print(context.ENTITY, "changed" if changed else "stays")
    return after["pulp_href"] if after else None


for labels in {}, {}, {"tier": "one"}, {"tier": "one"}:
    remote = want(
        PulpFileRemoteContext,
        "r",
        {
            "url": "http://example.com/PULP_MANIFEST",
            "policy": "on_demand",
            "tls_validation": False,
            "rate_limit": 10,
            "total_timeout": 1.5,
            "pulp_labels": labels,
        },
    )
    repository = want(
        PulpFileRepositoryContext,
        "repo",
        {
            "description": "files",
            "remote": remote,
            "autopublish": True,
            "retain_repo_versions": 3,
            "pulp_labels": labels,
        },
    )
    want(
        PulpFileDistributionContext,
        "d",
        {"base_path": "a/b", "repository": repository, "pulp_labels": labels},
    )
for context, name in (
    (PulpFileDistributionContext, "d"),
    (PulpFileRepositoryContext, "repo"),
    (PulpFileRemoteContext, "r"),
) * 2:
    want(context, name, None)
