"""All that the library has to know of the toy task."""

from pathlib import Path

from ratsnlp.nlpbook.tasks import Demo, DemoPage, TaskSpec

SPEC = TaskSpec(
    name="toy",
    task_name="length-guessing",
    title="Length guessing",
    arguments="ratsnlp.nlpbook.arguments:TrainArguments",
    corpora={"nsmc": "toy_task.parts:LengthCorpus"},
    dataset="toy_task.parts:LengthDataset",
    task="toy_task.parts:LengthTask",
    model="transformers:AutoModelForSequenceClassification",
    predictor="toy_task.parts:LengthPredictor",
    page=DemoPage(
        template="toy.html",
        templates=str(Path(__file__).parent),
        title="길이 맞히기",
        fields=("review",),
        examples=(("짧은 글",), ("이 글은 조금 더 길어서 한 줄을 거의 다 채우고 있습니다.",)),
    ),
    demo=Demo(settings={"max_seq_length": 32, "epochs": 1}, inputs=("짧다",), shown=("review", "result")),
)
