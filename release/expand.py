"""Writes template.yaml as plain CloudFormation: without a transform, and minified.

    expand.py TEMPLATE PREFIX VERSION OUT

SAM's transform is aws-sam-translator's, as CloudFormation runs it (pip install
aws-sam-translator). The code of the functions is in the bucket of the parameter
CodeBucket, under CodePrefix, whose default is PREFIX: NAME-ARCHITECTURE.zip, so that
architecture and binary cannot disagree. VERSION is that of the release, in the outputs
of the stack and the tags of its functions.
"""

import json
import os
import sys

# The translator asks for a Region, and a profile of the developer must not matter.
os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
os.environ.pop("AWS_PROFILE", None)

from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

PARAMETERS = {
    "CodeBucket": {
        "Description": "Bucket of this Region that contains the functions.",
        "Type": "String",
        "AllowedPattern": "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "ConstraintDescription": "must be the name of a bucket",
    },
    "CodePrefix": {
        "Description": "What their keys begin with; it names their contents, so that an update finds new ones.",
        "Type": "String",
        "AllowedPattern": "[A-Za-z0-9._/-]*",
        "ConstraintDescription": "must be the beginning of a key, without spaces",
    },
    "PreviousCode": {
        "Description": "CodePrefix of the release before, to which sumoship rollback goes back. sumoship deploy sets it.",
        "Type": "String",
        "Default": "",
        "AllowedPattern": "[A-Za-z0-9._/-]*",
        "ConstraintDescription": "must be the beginning of a key, without spaces",
    },
}


class NoManagedPolicies:
    """The template names no managed policies, but SAM asks for their list."""

    def load(self):
        return {}


def expanded(template, prefix, version):
    functions = {n: r for n, r in template["Resources"].items() if r["Type"] == "AWS::Serverless::Function"}
    for name, function in functions.items():
        function["Properties"]["CodeUri"] = f"s3://CODE/{name}"
        del function["Metadata"]  # how SAM builds it
    template["Metadata"].pop("AWS::ServerlessRepo::Application", None)
    out = transform(template, {}, NoManagedPolicies())
    for name in functions:
        resource = out["Resources"][name]
        resource.pop("Metadata", None)
        resource["Properties"]["Code"] = {
            "S3Bucket": {"Ref": "CodeBucket"},
            "S3Key": {"Fn::Sub": "${CodePrefix}%s-${Architecture}.zip" % name.lower()},
        }
        # SAM's own tag says that the stack was made by its transform.
        tags = resource["Properties"].get("Tags", [])
        tags = {t["Key"]: t["Value"] for t in tags if t["Key"] != "lambda:createdBy"} | {"sumoship:version": version}
        resource["Properties"]["Tags"] = [{"Key": k, "Value": v} for k, v in tags.items()]
    parameters = json.loads(json.dumps(PARAMETERS))
    parameters["CodePrefix"]["Default"] = prefix
    out["Parameters"] = parameters | out["Parameters"]
    out["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"].append({"Label": {"default": "Code"}, "Parameters": list(parameters)})
    out["Conditions"]["HasPreviousCode"] = {"Fn::Not": [{"Fn::Equals": [{"Ref": "PreviousCode"}, ""]}]}
    out["Outputs"]["Version"]["Value"] = version
    out["Outputs"]["PreviousRelease"] = {
        "Condition": "HasPreviousCode",
        "Description": "Where the release before is in the bucket",
        "Value": {"Fn::Sub": "s3://${CodeBucket}/${PreviousCode}"},
    }
    out["Parameters"]["Architecture"]["Description"] = "Architecture of the functions."
    return out


def main(path, prefix, version, out):
    with open(path) as f:
        template = expanded(yaml_parse(f.read()), prefix, version)
    with open(out, "w") as f:
        json.dump(template, f, separators=(",", ":"), ensure_ascii=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
