"""All that the rest of the library has to know of question answering."""

from ratsnlp.nlpbook.tasks import Demo, DemoPage, TaskSpec

HERE = "ratsnlp.nlpbook.qa"
PAGE_PASSAGE = (
    "한글은 세종이 1443년에 만들어 1446년에 널리 알린 글자이다. 처음 이름은 훈민정음이었고, "
    "'백성을 가르치는 바른 소리'라는 뜻을 담았다.\n"
    "처음에는 모두 스물여덟 글자였지만 네 글자가 쓰이지 않게 되어 오늘날에는 스물네 글자를 쓴다."
)
DEMO_PASSAGE = (
    "한글은 1443년에 세종대왕이 만들었다. 백성이 쉽게 읽고 쓰도록 한 글자로, 처음 이름은 훈민정음이다. "
    "오늘날 한글날은 10월 9일이며, 2013년부터 다시 공휴일이 되었다."
)

SPEC = TaskSpec(
    name="qa",
    task_name="question-answering",
    title="Question answering",
    arguments=f"{HERE}.arguments:QATrainArguments",
    deploy_arguments=f"{HERE}.arguments:QADeployArguments",
    corpora={"korquad-v1": f"{HERE}.corpus:KorQuADV1Corpus"},
    dataset=f"{HERE}.dataset:QADataset",
    task=f"{HERE}.task:QATask",
    model="transformers:AutoModelForQuestionAnswering",
    pipeline="question-answering",
    predictor=f"{HERE}.predictor:QAPredictor",
    page=DemoPage(
        template="qa.html",
        title="질의응답",
        fields=("question", "context"),
        examples=(
            ("한글을 만든 사람은 누구인가?", PAGE_PASSAGE),
            ("한글의 처음 이름은 무엇인가?", PAGE_PASSAGE),
            ("오늘날 쓰는 한글은 몇 글자인가?", PAGE_PASSAGE),
        ),
    ),
    demo=Demo(
        settings={"max_seq_length": 192, "epochs": 1, "attention_dropout": 0.0},
        inputs=(
            ("한글을 만든 사람은 누구인가?", DEMO_PASSAGE),
            ("한글의 처음 이름은 무엇이었나?", DEMO_PASSAGE),
            ("한글날은 언제인가?", DEMO_PASSAGE),
        ),
        shown=("question", "answer"),
    ),
    notebooks=("qa_train", "qa_deploy"),
)

get_web_service_app = SPEC.get_web_service_app
