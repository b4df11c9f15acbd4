"""A deployment may carry as many tags as are allowed, and still run: each tag is one more limit to look at."""

from tests.support.installation import Installation

FLOWS = """
    from orchestrator import flow
    from orchestrator.deployments import DeploymentSpec

    @flow
    def tagged(): pass

    DeploymentSpec(flow=tagged, name="d", tags=["t%d" % i for i in range(50)], concurrency_limit=1)
"""


def test_a_deployment_with_the_most_tags_can_be_run() -> None:
    with Installation() as installation:
        installation.deploy(FLOWS)
        installation.run("deployment", "run", "tagged/d")
        assert installation.states() == {"QUEUED": 1}
