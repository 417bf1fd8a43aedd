# One key for everything that is stored: without permission to use it nothing can be read.

data "aws_iam_policy_document" "key" {
  statement {
    sid       = "Administration"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${local.account_id}:root"]
    }
  }
  statement {
    sid       = "EncryptedMessagesAndLogs"
    actions   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:DescribeKey"]
    resources = ["*"]
    principals {
      type = "Service"
      identifiers = [
        "budgets.amazonaws.com", "cloudwatch.amazonaws.com", "events.amazonaws.com",
        "logs.${local.account.region}.amazonaws.com",
      ]
    }
  }
}

resource "aws_kms_key" "data" {
  description             = "Clickstream's data, messages and logs"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "data" {
  name          = "alias/clickstream"
  target_key_id = aws_kms_key.data.id
}
