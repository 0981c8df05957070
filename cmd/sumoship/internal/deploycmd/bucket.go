package deploycmd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sumoship/cmd/sumoship/internal/cli"
)

// bucketAPI is Amazon S3. Every call names the owner, so that code never comes from, or
// goes into, a bucket of somebody else.
type bucketAPI struct {
	client  *s3.Client
	account string
	region  string
}

// bucketName is that of the bucket that deploy makes.
func bucketName(account, region string) string { return "sumoship-" + account + "-" + region }

// ensure makes the bucket unless it is there: encrypted, and closed to the public. It
// reports whether it made it.
func (b *bucketAPI) ensure(ctx context.Context, name string, given bool) (made bool, err error) {
	_, err = b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name, ExpectedBucketOwner: &b.account})
	switch {
	case err == nil:
		return false, nil
	case cli.Code(err) != "NotFound" && cli.Code(err) != "NoSuchBucket":
		return false, fmt.Errorf("bucket %s: %w; it must be of account %s", name, cli.Plain(err), b.account)
	case given:
		return false, fmt.Errorf("--bucket: there is no bucket %s", name)
	}
	create := &s3.CreateBucketInput{Bucket: &name, ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}
	if b.region != "us-east-1" { // which has no constraint
		create.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(b.region)}
	}
	if _, err := b.client.CreateBucket(ctx, create); err != nil {
		return false, fmt.Errorf("create bucket %s: %w", name, cli.Plain(err))
	}
	for what, call := range map[string]func() error{
		"block public access to": func() error {
			_, err := b.client.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
				Bucket: &name, ExpectedBucketOwner: &b.account,
				PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
					BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true), IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
				},
			})
			return err
		},
		"encrypt": func() error {
			_, err := b.client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
				Bucket: &name, ExpectedBucketOwner: &b.account,
				ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{
					{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}},
				}},
			})
			return err
		},
		// What is there stays: a stack is rolled back to it.
		"set the lifecycle of": func() error {
			_, err := b.client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
				Bucket: &name, ExpectedBucketOwner: &b.account,
				LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
					ID: aws.String("uploads"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
					AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(7)},
				}}},
			})
			return err
		},
	} {
		if err := call(); err != nil {
			return true, fmt.Errorf("%s bucket %s: %w", what, name, cli.Plain(err))
		}
	}
	return true, nil
}

// upload puts the bundle into the bucket, but for what is there already: keys name
// their contents. It returns how many files it put.
func (b *bucketAPI) upload(ctx context.Context, s cli.Streams, name string, r *bundle) (n int, err error) {
	keys := append([]string{r.prefix + templateName}, r.archives...)
	bar := cli.NewBar(len(keys), "upload", s.Err)
	defer bar.Finish()
	for _, key := range keys {
		content, err := os.ReadFile(r.path(key))
		if err != nil {
			return n, cli.Fail(cli.ExitUsage, err)
		}
		sum := sha256.Sum256(content)
		checksum := base64.StdEncoding.EncodeToString(sum[:])
		head, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &name, Key: &key, ExpectedBucketOwner: &b.account})
		if err != nil && cli.Code(err) != "NotFound" && cli.Code(err) != "NoSuchKey" {
			return n, fmt.Errorf("s3://%s/%s: %w", name, key, cli.Plain(err))
		}
		if err != nil || head.Metadata["sha256"] != checksum {
			_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
				Bucket: &name, Key: &key, ExpectedBucketOwner: &b.account, Body: bytes.NewReader(content), ChecksumSHA256: &checksum,
				Metadata: map[string]string{"sha256": checksum},
			})
			if err != nil {
				return n, fmt.Errorf("upload s3://%s/%s: %w", name, key, cli.Plain(err))
			}
			n++
		}
		bar.Add(1)
	}
	return n, nil
}

// read returns an object that deploy has put there.
func (b *bucketAPI) read(ctx context.Context, name, key string) ([]byte, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &name, Key: &key, ExpectedBucketOwner: &b.account})
	if err != nil {
		return nil, fmt.Errorf("s3://%s/%s: %w", name, key, cli.Plain(err))
	}
	defer out.Body.Close()
	return readAll(out.Body)
}

// templateURL is how CloudFormation finds an object.
func (b *bucketAPI) templateURL(name, key string) string {
	suffix := "amazonaws.com"
	if strings.HasPrefix(b.region, "cn-") {
		suffix += ".cn"
	}
	return "https://" + name + ".s3." + b.region + "." + suffix + "/" + key
}
