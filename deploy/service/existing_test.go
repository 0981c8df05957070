package service_test

import (
	"errors"
	"strings"
	"testing"

	"sumoship/deploy/service"
	"sumoship/deploy/taskdef"
)

const twoServices = `{"services": [{"serviceName": "a", "desiredCount": 1}, {"serviceName": "b", "desiredCount": 2}]}`

func TestReadExisting(t *testing.T) {
	for name, c := range map[string]struct{ src, choose, want string }{
		"described":    {shop(t, service.Options{}).existing, "", "shop"},
		"one of two":   {twoServices, "b", "b"},
		"created":      {`{"service": {"serviceName": "a"}}`, "x", "a"},
		"input":        {"serviceName: a\nlaunchType: EC2\n", "", "a"},
		"without name": {`{"desiredCount": 1}`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := "service.json"
			if strings.HasPrefix(c.src, "s") {
				file = "service.yaml"
			}
			e, err := service.ReadExisting(file, []byte(c.src), c.choose)
			if err != nil || e.Name() != c.want {
				t.Errorf("got %v, %v", e, err)
			}
		})
	}
}

func TestReadExistingErrors(t *testing.T) {
	const want = "; give the output of aws ecs describe-services, or the input of create-service"
	for name, c := range map[string]struct{ src, want string }{
		"two":           {twoServices, "1:14: there are 2 services: a, b; choose one with --service"},
		"missing":       {`{"services": [], "failures": [{"arn": "x", "reason": "MISSING"}]}`, "1:14: there is no service in it (MISSING); check the name and the cluster"},
		"a definition":  {read(t, "testdata/shop.json"), "1:1: there is no service in this document" + want},
		"a list":        {`[]`, "1:1: the document is a list" + want},
		"no object":     {`{"services": ["x"]}`, "1:15: the service is a string and not an object" + want},
		"a huge number": {`{"desiredCount": 1e999}`, "1:18: the number 1e999 is larger than ECS can hold"},
		"broken":        {`{"services": [`, "1:"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := service.ReadExisting("service.json", []byte(c.src), "c")
			if _, ok := errors.AsType[*taskdef.InputError](err); !ok || !strings.HasPrefix(err.Error(), "service.json:"+c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
