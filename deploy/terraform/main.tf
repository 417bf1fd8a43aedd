# What holds data, permissions or money. `python -m deploy` deploys what runs on it.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "stage" {
  description = "A file of deploy/stages, without its ending"
  type        = string
  validation {
    condition     = fileexists("${path.module}/../stages/${var.stage}.yaml")
    error_message = "deploy/stages has no file for this stage."
  }
}

provider "aws" {
  region            = local.account.region
  s3_use_path_style = true # a bucket is no host name on the local AWS
  default_tags { tags = { project = "clickstream", stage = var.stage } }
}

data "aws_caller_identity" "current" {}

locals {
  every = yamldecode(file("${path.module}/../settings.yaml"))
  own   = yamldecode(file("${path.module}/../stages/${var.stage}.yaml"))
  # sections that hold settings; the others hold entries
  flat = toset(["account", "alarms", "athena", "nightly", "pipeline", "table_optimizers"])
  # merged as deploy/settings.py does, which also says what is valid
  settings = merge(
    { for section in local.flat : section => merge(local.every[section], try(local.own[section], {})) },
    { for section, entries in local.every : section => {
      for name, entry in entries : name => merge(
        entry,
        try(local.own[section][name], {}),
        try({ arguments = merge(entry.arguments, local.own[section][name].arguments) }, {}),
      )
    } if !contains(local.flat, section) },
  )
  account    = local.settings.account
  account_id = data.aws_caller_identity.current.account_id
  here       = "${local.account.region}:${local.account_id}"
  prefix     = "clickstream-${var.stage}" # of names that an account, or the world, has only once
}

output "settings" {
  description = "The settings of the stage"
  value       = local.settings
}

output "roles" {
  description = "The role of each job, function and service"
  value       = { for name, role in aws_iam_role.role : name => role.arn }
}
