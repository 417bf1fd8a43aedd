locals {
  buckets = { for name in keys(local.settings.buckets) : name => "${local.prefix}-${name}-${local.account_id}" }
}

resource "aws_s3_bucket" "bucket" {
  for_each      = local.buckets
  bucket        = each.value
  force_destroy = local.account.disposable
}

resource "aws_s3_bucket_versioning" "bucket" {
  for_each = aws_s3_bucket.bucket
  bucket   = each.value.id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "bucket" {
  for_each = aws_s3_bucket.bucket
  bucket   = each.value.id
  rule {
    bucket_key_enabled = true # one request for a key serves many objects
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.data.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "bucket" {
  for_each                = aws_s3_bucket.bucket
  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "bucket" {
  for_each = aws_s3_bucket.bucket
  bucket   = each.value.id
  rule { object_ownership = "BucketOwnerEnforced" }
}

data "aws_iam_policy_document" "bucket" {
  for_each = aws_s3_bucket.bucket
  statement {
    sid       = "OnlyByTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value.arn, "${each.value.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "bucket" {
  for_each   = aws_s3_bucket.bucket
  bucket     = each.value.id
  policy     = data.aws_iam_policy_document.bucket[each.key].json
  depends_on = [aws_s3_bucket_public_access_block.bucket]
}

resource "aws_s3_bucket_lifecycle_configuration" "bucket" {
  for_each   = aws_s3_bucket.bucket
  bucket     = each.value.id
  depends_on = [aws_s3_bucket_versioning.bucket]
  rule {
    id     = "unfinished-uploads-and-former-versions"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload { days_after_initiation = 3 }
    noncurrent_version_expiration { noncurrent_days = 30 }
  }
  dynamic "rule" { # rows that killed runs have materialized (--TempDir), and results of queries
    for_each = each.key == "lake" ? { "${local.temp_folder}/" = 1, "athena/" = 7 } : {}
    content {
      id     = "expire-${rule.key}"
      status = "Enabled"
      filter { prefix = rule.key }
      expiration { days = rule.value }
      noncurrent_version_expiration { noncurrent_days = 1 } # what a run has deleted itself
    }
  }
  dynamic "rule" {
    for_each = try(local.settings.buckets[each.key].infrequent_days, 0) > 0 ? ["raw/"] : []
    content {
      id     = "infrequent-raw"
      status = "Enabled"
      filter { prefix = rule.value }
      transition {
        days          = local.settings.buckets[each.key].infrequent_days
        storage_class = "STANDARD_IA"
      }
    }
  }
}
