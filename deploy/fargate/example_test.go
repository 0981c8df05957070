package fargate_test

import (
	"fmt"
	"log"

	"sumoship/deploy/fargate"
	"sumoship/deploy/taskdef"
)

// A definition for EC2 becomes one for Fargate whose logs go through awslogs.
// Bytes that no finding names stay as they are.
func Example() {
	d, err := taskdef.Read("web.json", []byte(`{
  "family": "web",
  "containerDefinitions": [
    {
      "name": "web",
      "image": "nginx:1.29",
      "cpu": 200,
      "memory": 400,
      "portMappings": [{"containerPort": 80, "hostPort": 8080}]
    }
  ]
}
`), taskdef.ReadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	findings, err := fargate.Convert(d, fargate.Options{Region: "eu-west-1", ExecutionRole: "ecsTaskExecutionRole", TaskRole: "web"})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range findings {
		fmt.Printf("%d:%d %s %s: %s\n", f.Line, f.Column, f.Severity, f.ID, f.Action)
	}
	fmt.Printf("%s", d.Bytes())

	// Output:
	// 1:1 info compatibilities: set
	// 1:1 info runtime-platform: set
	// 1:1 info network-mode: set
	// 1:1 info open-files-default: keep
	// 1:1 warning log-mode: keep
	// 1:1 info execution-role-set: set
	// 1:1 info task-role-set: set
	// 1:1 info task-cpu: set
	// 1:1 info task-memory: set
	// 4:5 warning log-destination-added: set
	// 9:58 warning host-port-changed: drop
	// {
	//   "family": "web",
	//   "containerDefinitions": [
	//     {
	//       "name": "web",
	//       "image": "nginx:1.29",
	//       "cpu": 200,
	//       "memory": 400,
	//       "portMappings": [{"containerPort": 80}],
	//       "logConfiguration": {
	//         "logDriver": "awslogs",
	//         "options": {"awslogs-group": "/ecs/web", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "web", "mode": "blocking"}
	//       }
	//     }
	//   ],
	//   "requiresCompatibilities": [
	//     "FARGATE"
	//   ],
	//   "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
	//   "networkMode": "awsvpc",
	//   "executionRoleArn": "ecsTaskExecutionRole",
	//   "taskRoleArn": "web",
	//   "cpu": "256",
	//   "memory": "512"
	// }
}

// Check explains what would change.
func ExampleCheck() {
	d, err := taskdef.Read("web.json", []byte(`{"family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
"cpu": "256", "memory": "512", "executionRoleArn": "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",
"containerDefinitions": [{"name": "web", "image": "nginx:1.29", "privileged": true,
"logConfiguration": {"logDriver": "splunk", "options": {"splunk-url": "https://splunk.example.com"}}}]}
`), taskdef.ReadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	findings, err := fargate.Check(d, fargate.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range findings {
		fmt.Printf("%s %s at %s: %s\n", f.Severity, f.ID, f.Pointer, f.Why)
		fmt.Println(f.Help)
	}

	// Output:
	// error privileged at /containerDefinitions/0/privileged: Fargate has no privileged containers.
	// Find out what needs it: most containers no longer do. Or allow privileged: it is dropped. Or use ECS Managed Instances with --target managed-instances: they run privileged containers.
}
