// The stack of a release, from CDK: the resources are those of its template, and defined
// there alone. Unpack the archive of the release into this directory. cdk deploy
// acknowledges CAPABILITY_NAMED_IAM by itself; a pipeline that deploys what cdk synth has
// written has to do so.
import { globSync } from 'node:fs';
import * as path from 'node:path';
import { App, CfnOutput, Stack } from 'aws-cdk-lib';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { BucketDeployment, Source } from 'aws-cdk-lib/aws-s3-deployment';

const bucketDir = path.join(__dirname, 'bucket');
const template = globSync('sumoship/*/template.json', { cwd: bucketDir })[0];

const app = new App();
const stack = new Stack(app, 'sumoship');
const code = new Bucket(stack, 'Code', { enforceSSL: true });
const upload = new BucketDeployment(stack, 'Upload', { sources: [Source.asset(bucketDir)], destinationBucket: code, prune: false });

const sumoship = new CfnInclude(stack, 'Sumoship', {
  templateFile: path.join(bucketDir, template),
  parameters: {
    CodeBucket: upload.deployedBucket.bucketName, // once everything is there
    CodePrefix: path.dirname(template) + '/',
    SumoEndpointArn: app.node.tryGetContext('endpointArn'),
    Subscription: 'pattern',
    LogGroupPattern: '^/ecs/',
    AlarmTopicArn: app.node.tryGetContext('alarmTopicArn'),
    Alarms: 'all',
    LogRetention: 30,
  },
});
new CfnOutput(stack, 'Forwarder', { value: sumoship.getOutput('ForwarderArn').value });
