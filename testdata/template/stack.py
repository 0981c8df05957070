"""Creates the stack of template.yaml on moto, offline.

    stack.py create TEMPLATE NAME=VALUE...
        creates the stack and writes its resources as JSON
    stack.py with TEMPLATE NAME=VALUE... -- COMMAND...
        creates the stack on a moto server, runs the command with AWS_ENDPOINT_URL
        and the outputs of the stack in its environment, and exits with its status

The SAM transform is aws-sam-translator's, as CloudFormation runs it; moto then
gets plain CloudFormation. What moto does not create is listed under "skipped".
"""

import io
import json
import logging
import os
import subprocess
import sys
import warnings
import zipfile

for name, value in {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    # Files that do not exist: a developer's own configuration must not reach moto.
    "AWS_CONFIG_FILE": os.path.join(os.path.dirname(__file__), "no-config"),
    "AWS_SHARED_CREDENTIALS_FILE": os.path.join(os.path.dirname(__file__), "no-credentials"),
}.items():
    os.environ[name] = value
os.environ.pop("AWS_PROFILE", None)

import boto3  # noqa: E402
from botocore.config import Config  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402
from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

# Silence the requests, and what moto cannot create (see described).
logging.getLogger("werkzeug").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="moto")

STACK = "sumoship"
BUCKET = "code"


class NoManagedPolicies:
    """The template names no managed policies, but SAM asks for their list."""

    def load(self):
        return {}


def transformed(path, parameters):
    with open(path) as f:
        template = yaml_parse(f.read())
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = f"s3://{BUCKET}/{name}.zip"
    return transform(template, parameters, NoManagedPolicies())


def create(path, parameters):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as z:
        z.writestr("bootstrap", "#!/bin/sh\n")
    template = transformed(path, parameters)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            s3.put_object(Bucket=BUCKET, Key=resource["Properties"]["Code"]["S3Key"], Body=code.getvalue())
    # On a busy machine it takes longer than boto3 waits, and a second try finds what the first made.
    patient = Config(read_timeout=600, retries={"total_max_attempts": 1})
    boto3.client("cloudformation", config=patient).create_stack(
        StackName=STACK,
        # moto reads JSON as YAML, which takes it seconds, unless that fails at once.
        TemplateBody="\t" + json.dumps(known_to_moto(template, parameters)),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    if parameters.get("OrganizationId"):
        create_destination(template["Resources"]["CentralDestination"]["Properties"], parameters)
    return template


def create_destination(properties, parameters):
    """Creates the logical destination, which moto supports, but not in a stack."""
    resources = boto3.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    physical = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources if r.get("PhysicalResourceId")}
    policy = properties["DestinationPolicy"]["Fn::Sub"]
    for name, value in {
        "AWS::Partition": "aws",
        "AWS::Region": "us-east-1",
        "AWS::AccountId": "123456789012",
        "AWS::StackName": STACK,
        "OrganizationId": parameters["OrganizationId"],
    }.items():
        policy = policy.replace("${%s}" % name, value)
    logs = boto3.client("logs")
    logs.put_destination(
        destinationName=STACK,
        roleArn=boto3.client("iam").get_role(RoleName=physical["CentralRole"])["Role"]["Arn"],
        targetArn=boto3.client("kinesis").describe_stream(StreamName=physical["CentralStream"])["StreamDescription"]["StreamARN"],
    )
    logs.put_destination_policy(destinationName=STACK, accessPolicy=policy)


def known_to_moto(template, parameters):
    """Returns the template without what moto does not support. The secret is created here.

    moto leaves a Number in an environment variable a number, which no Lambda
    client expects; CloudFormation makes it a string.
    """
    template = json.loads(json.dumps(template))
    resources = template["Resources"]
    for name in [n for n, r in resources.items() if r["Type"].startswith("AWS::CloudWatch::")]:
        del resources[name]
    del template["Outputs"]["DashboardUrl"]
    del resources["CentralDestination"]
    template["Outputs"]["DestinationArn"]["Value"] = {"Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:destination:${AWS::StackName}"}
    for resource in resources.values():
        variables = resource.get("Properties", {}).get("Environment", {}).get("Variables", {})
        for name, value in variables.items():
            if isinstance(value, dict) and template["Parameters"].get(value.get("Ref"), {}).get("Type") == "Number":
                variables[name] = {"Fn::Sub": "${%s}" % value["Ref"]}
    secret = resources.pop("EndpointSecret")["Properties"]["SecretString"]["Fn::Sub"]
    for name in ("SumoEndpoint", "SumoToken"):
        secret = secret.replace("${%s}" % name, parameters.get(name, ""))
    arn = boto3.client("secretsmanager").create_secret(Name="EndpointSecret", SecretString=secret)["ARN"]
    return json.loads(json.dumps(template).replace('{"Ref": "EndpointSecret"}', json.dumps(arn)))


def described(template):
    """Describes the resources as the services see them, not the stack."""
    cloudformation, sqs, functions, iam, events = (boto3.client(s) for s in ("cloudformation", "sqs", "lambda", "iam", "events"))
    made = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    physical = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in made if r.get("PhysicalResourceId") and r.get("ResourceType")}
    out = {
        "types": {name: r["Type"] for name, r in template["Resources"].items()},
        "transformed": {name: r.get("Properties", {}) for name, r in template["Resources"].items()},
        "physical": physical,
        "queues": {},
        "functions": {},
        "policies": {},
        "mappings": [],
        "roles": {},
        "rules": {},
        "logGroups": {},
    }
    for name, resource in template["Resources"].items():
        if name not in physical:
            continue
        at = physical[name]
        kind = resource["Type"]
        if kind == "AWS::SQS::Queue":
            out["queues"][name] = sqs.get_queue_attributes(QueueUrl=at, AttributeNames=["All"])["Attributes"]
        elif kind == "AWS::Lambda::Function":
            f = functions.get_function_configuration(FunctionName=at)
            out["functions"][name] = {k: f.get(k) for k in ("Runtime", "Handler", "Timeout", "MemorySize", "Role", "Environment", "DeadLetterConfig", "FunctionArn")}
            try:
                out["policies"][name] = json.loads(functions.get_policy(FunctionName=at)["Policy"])["Statement"]
            except functions.exceptions.ResourceNotFoundException:
                out["policies"][name] = []
        elif kind == "AWS::Events::Rule":
            r = events.describe_rule(Name=at.rsplit("/", 1)[-1])
            if "EventPattern" in r:
                r["EventPattern"] = json.dumps(json.loads(r["EventPattern"]), sort_keys=True, separators=(",", ":"))
            targets = events.list_targets_by_rule(Rule=r["Name"])["Targets"]
            out["rules"][name] = {k: r.get(k, "") for k in ("EventPattern", "ScheduleExpression", "State")} | {"targets": [t["Arn"] for t in targets]}
        elif kind == "AWS::IAM::Role":
            inline = {p: iam.get_role_policy(RoleName=at, PolicyName=p)["PolicyDocument"] for p in iam.list_role_policies(RoleName=at)["PolicyNames"]}
            role = iam.get_role(RoleName=at)["Role"]
            out["roles"][name] = {"arn": role["Arn"], "inline": inline, "attached": iam.list_attached_role_policies(RoleName=at)["AttachedPolicies"]}
    for m in functions.list_event_source_mappings()["EventSourceMappings"]:
        out["mappings"].append({k: m.get(k) for k in ("EventSourceArn", "FunctionArn", "BatchSize", "State", "FunctionResponseTypes", "MaximumBatchingWindowInSeconds", "ScalingConfig", "StartingPosition")})
    for g in boto3.client("logs").describe_log_groups()["logGroups"]:
        out["logGroups"][g["logGroupName"]] = g.get("retentionInDays")
    kinesis, s3 = boto3.client("kinesis"), boto3.client("s3")
    out["streams"], out["destinations"], out["buckets"] = {}, {}, {}
    if "CentralStream" in physical:
        stream = kinesis.describe_stream_summary(StreamName=physical["CentralStream"])["StreamDescriptionSummary"]
        out["streams"]["CentralStream"] = {k: stream.get(k) for k in ("StreamARN", "RetentionPeriodHours")}
        for d in boto3.client("logs").describe_destinations()["destinations"]:
            out["destinations"][d["destinationName"]] = {k: d.get(k) for k in ("arn", "targetArn", "roleArn", "accessPolicy")}
        bucket = physical["CentralBucket"]
        rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        out["buckets"]["CentralBucket"] = rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
    secrets = boto3.client("secretsmanager")
    out["secrets"] = {s["ARN"]: secrets.get_secret_value(SecretId=s["ARN"])["SecretString"] for s in secrets.list_secrets()["SecretList"]}
    out["outputs"] = outputs()
    out["skipped"] = sorted(set(r["Type"] for n, r in template["Resources"].items() if n not in physical and "Condition" not in r))
    return out


def outputs():
    stack = boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}


def main(args):
    verb, path, rest = args[0], args[1], args[2:]
    command = []
    if "--" in rest:
        command, rest = rest[rest.index("--") + 1 :], rest[: rest.index("--")]
    parameters = dict(a.split("=", 1) for a in rest)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    try:
        template = create(path, parameters)
        if verb == "create":
            json.dump(described(template), sys.stdout)
            return 0
        environment = dict(os.environ, STACK=STACK, **outputs())
        return subprocess.run(command, env=environment).returncode
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
