# The stack of a release, from Terraform: the resources are those of its template, and
# defined there alone. Unpack the archive of the release beside this file.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.0" }
  }
}

variable "endpoint_arn" {
  description = "ARN of the Secrets Manager secret that has the URL of the HTTP Source"
  type        = string
}

variable "alarm_topic_arn" {
  description = "ARN of the SNS topic that the alarms notify"
  type        = string
}

locals {
  bucket   = "${path.module}/bucket"
  template = one(fileset(local.bucket, "sumoship/*/template.json"))
  prefix   = trimsuffix(local.template, "template.json")
}

data "aws_caller_identity" "this" {}
data "aws_region" "this" {}

resource "aws_s3_bucket" "code" {
  # Not the name of the one that sumoship deploy makes.
  bucket = "sumoship-terraform-${data.aws_caller_identity.this.account_id}-${data.aws_region.this.name}"
}

resource "aws_s3_object" "code" {
  for_each = fileset(local.bucket, "sumoship/**")

  bucket      = aws_s3_bucket.code.bucket
  key         = each.value
  source      = "${local.bucket}/${each.value}"
  source_hash = filemd5("${local.bucket}/${each.value}")
}

resource "aws_cloudformation_stack" "sumoship" {
  name         = "sumoship"
  capabilities = ["CAPABILITY_NAMED_IAM"] # the roles can have names (RoleNamePrefix)
  template_url = "https://${aws_s3_bucket.code.bucket_regional_domain_name}/${local.template}"
  depends_on   = [aws_s3_object.code]

  parameters = {
    CodeBucket      = aws_s3_bucket.code.bucket
    CodePrefix      = local.prefix
    SumoEndpointArn = var.endpoint_arn
    Subscription    = "pattern"
    LogGroupPattern = "^/ecs/"
    AlarmTopicArn   = var.alarm_topic_arn
    Alarms          = "all"
    LogRetention    = "30"
  }
}

output "forwarder_arn" {
  value = aws_cloudformation_stack.sumoship.outputs["ForwarderArn"]
}
