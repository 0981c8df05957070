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

// ensure makes the bucket unless it is there: encrypted, and closed to the public. If a
// run before has made it and gone no further, this one finishes it. It reports whether it
// made it.
func (b *bucketAPI) ensure(ctx context.Context, name string, given bool) (made bool, err error) {
	_, err = b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name, ExpectedBucketOwner: &b.account})
	switch {
	case err == nil && given:
		return false, nil
	case err == nil:
		return false, b.finish(ctx, name)
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
	return true, b.finish(ctx, name)
}

// setting is one of a bucket: what it does to the bucket, whether it is there, and what
// makes it.
type setting struct {
	what   string
	absent string // the code of the error of get
	get    func() error
	put    func() error
}

// finish gives the bucket what it lacks. The lifecycle comes last, so a bucket that has
// one has everything; what somebody has changed since stays.
func (b *bucketAPI) finish(ctx context.Context, name string) error {
	owner := &b.account
	settings := []setting{
		{"block public access to", "NoSuchPublicAccessBlockConfiguration", func() error {
			_, err := b.client.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &name, ExpectedBucketOwner: owner})
			return err
		}, func() error {
			_, err := b.client.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
				Bucket: &name, ExpectedBucketOwner: owner,
				PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
					BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true), IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
				},
			})
			return err
		}},
		{"encrypt", "ServerSideEncryptionConfigurationNotFoundError", func() error {
			_, err := b.client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &name, ExpectedBucketOwner: owner})
			return err
		}, func() error {
			_, err := b.client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
				Bucket: &name, ExpectedBucketOwner: owner,
				ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{
					{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}},
				}},
			})
			return err
		}},
		// What is there stays: a stack is rolled back to it.
		{"set the lifecycle of", "NoSuchLifecycleConfiguration", func() error {
			_, err := b.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &name, ExpectedBucketOwner: owner})
			return err
		}, func() error {
			_, err := b.client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
				Bucket: &name, ExpectedBucketOwner: owner,
				LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
					ID: aws.String("uploads"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
					AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(7)},
				}}},
			})
			return err
		}},
	}
	// Who may not see it has not made the bucket.
	if err := settings[len(settings)-1].get(); err == nil || cli.Code(err) == "AccessDenied" {
		return nil
	}
	for _, s := range settings {
		err := s.get()
		if err != nil && cli.Code(err) == s.absent {
			err = s.put()
		}
		if err != nil {
			return fmt.Errorf("%s bucket %s: %w; sumoship deploy goes on from there when it is run again", s.what, name, cli.Plain(err))
		}
	}
	return nil
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
